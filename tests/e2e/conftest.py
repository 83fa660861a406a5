"""A client of the running stack, in an organization of the test's own."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.fixtures import postgres_url
from tests.fakes.sink import Sink, sinking
from tests.stack import RunningStack

__all__ = ["postgres_url"]


@pytest.fixture(scope="module", autouse=True)
def no_deliveries_of_others(stack: RunningStack) -> None:
    """Forget what tests of other folders have left on the way: examples of the docs deliver to hosts that are
    not there, which is tried for a long time."""
    for queue in ("IngestQueue", "DeliveryQueue"):
        stack.client("sqs").purge_queue(QueueUrl=stack.deployment["resources"][queue])


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
