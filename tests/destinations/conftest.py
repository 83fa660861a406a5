"""Fixtures: receivers on loopback, and a sender of each kind that talks to them."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from millrace.net.client import guarded_client
from tests.fakes.fixtures import mariadb_url, postgres_url
from tests.fakes.receivers import Receivers, receiving

__all__ = ["mariadb_url", "postgres_url"]


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(allow_loopback_http=True) as made:
        yield made
