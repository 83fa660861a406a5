"""The flows' app behind a socket, on the emulated AWS."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from millrace.api.flows_app import create_app
from millrace.settings import Settings
from tests.api.conftest import chat, issuer, keys_url, management, platform, settings
from tests.serving import served
from tests.tokens import Issuer

__all__ = ["chat", "issuer", "keys_url", "management", "platform", "settings"]


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def flows(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with served(create_app(settings)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


@pytest.fixture
def flows_elsewhere(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """The same app in another environment: nothing is shared but what is stored."""
    with served(create_app(settings)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client
