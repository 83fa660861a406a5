"""The command center on the emulated AWS: a recorder with a stopped clock, and its app on a socket."""

import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from millrace.api.command_center_app import create_app
from millrace.domain.clock import now_ms
from millrace.services.command_center.record import Recorder
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.api.conftest import issuer, keys_url, settings
from tests.aws import Aws
from tests.clock import HOUR_MS, Clock
from tests.serving import served
from tests.tokens import Issuer

__all__ = ["Clock", "issuer", "keys_url", "settings"]

NOON = now_ms() // HOUR_MS * HOUR_MS - HOUR_MS
"""An hour that is just over, the start of a bucket; the table deletes what is recorded of another day."""


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
async def recorder(aws_environment: Aws, settings: Settings, clock: Clock) -> AsyncIterator[Recorder]:
    recorder = Recorder.connect(settings, Stores.connect(settings, clock=clock), clock)
    yield recorder
    recorder.stores.aws.close()


@pytest.fixture
def center_url(settings: Settings) -> Iterator[str]:
    """The command center's app, which reads what the tests record."""
    with served(create_app(settings)) as url:
        yield url


@pytest.fixture
def center(center_url: str, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=center_url, headers=issuer.headers(organization), timeout=30) as client:
        yield client
