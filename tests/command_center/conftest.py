"""The command center on the emulated AWS: a recorder whose clock stands, and its app on a socket."""

import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest

from millrace.api.command_center_app import create_app
from millrace.services.command_center.record import Recorder
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.api.conftest import issuer, keys_url, settings
from tests.aws import Aws
from tests.serving import served
from tests.tokens import Issuer

__all__ = ["issuer", "keys_url", "settings"]

HOUR_MS = 3_600_000
NOON = (time.time_ns() // 1_000_000 // HOUR_MS - 1) * HOUR_MS
"""An hour that is just over, the start of a bucket: what is recorded of older times expires at once, whenever
the table next looks."""


@dataclass
class Clock:
    """A clock that only the test moves; milliseconds."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
