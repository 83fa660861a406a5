"""The flows app behind a socket, on the emulated AWS."""

from collections.abc import Iterator

import httpx
import pytest

from millrace.api.flows_app import create_app
from millrace.settings import Settings
from tests.api.conftest import chat, issuer, keys_url, management, organization, platform, run_queue, settings
from tests.serving import served
from tests.tokens import Issuer

__all__ = [
    "chat",
    "issuer",
    "keys_url",
    "management",
    "organization",
    "platform",
    "run_queue",
    "settings",
]


@pytest.fixture
def flows(settings: Settings, issuer: Issuer, organization: str, run_queue: None) -> Iterator[httpx.Client]:
    with served(create_app(settings)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


@pytest.fixture
def flows_elsewhere(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """The same app in another environment: nothing is shared but what is stored."""
    with served(create_app(settings)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client
