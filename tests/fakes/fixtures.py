"""Fixtures of the fakes, to be imported in a `conftest.py`."""

from collections.abc import Iterator

import pytest

from tests.fakes.mariadb import mariadb, program
from tests.fakes.model_server import ModelServer
from tests.fakes.postgres import postgres, programs
from tests.fakes.receivers import Receivers, receiving
from tests.fakes.steady_model import Office, office
from tests.missing import missing


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A running `ModelServer`. Its module describes how to script it."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def services() -> Iterator[Receivers]:
    """The analytics services that the running stack calls, for all of its tests."""
    with receiving() as running:
        yield running


@pytest.fixture(scope="session")
def steady_office() -> Iterator[Office]:
    """A model whose answers follow from the history, for agents of the running stack."""
    with office() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a real PostgreSQL. `tests.missing` handles machines without one."""
    found = programs()
    if found is None:
        missing("PostgreSQL is missing: apt-get install postgresql")
    with postgres(found) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """The URL of a real MariaDB. `tests.missing` handles machines without one."""
    found = program()
    if found is None:
        missing("MariaDB is missing: apt-get install mariadb-server")
    with mariadb(found) as url:
        yield url
