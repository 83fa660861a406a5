"""Fixtures: receivers on loopback, and a sender of each kind that talks to them."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from millrace.net.client import guarded_client
from tests.fakes.postgres import postgres, programs
from tests.fakes.receivers import Receivers, receiving
from tests.missing import missing


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(allow_loopback_http=True) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    found = programs()
    if found is None:
        missing("PostgreSQL is missing: apt-get install postgresql")
    with postgres(found) as url:
        yield url
