"""A client of the running stack, as an organization of the test's own."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.fixtures import postgres_url
from tests.fakes.sink import Sink, sinking
from tests.stack import RunningStack

__all__ = ["postgres_url"]


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def chat(stack: RunningStack, organization: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers=stack.headers(organization), timeout=90) as client:
        yield client


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinking() as running:
        yield running
