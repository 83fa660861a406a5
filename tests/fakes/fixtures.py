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
    """A running `ModelServer`; see its module for what it can be told to do."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def services() -> Iterator[Receivers]:
    """The analytics services as the running stack sees them, for all of its tests."""
    with receiving() as running:
        yield running


@pytest.fixture(scope="session")
def steady_office() -> Iterator[Office]:
    """A model whose answers follow from the history, as agents of the running stack may ask it."""
    with office() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL's address; see `tests.missing` for where there is none."""
    found = programs()
    if found is None:
        missing("PostgreSQL is missing: apt-get install postgresql")
    with postgres(found) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A real MariaDB's address; see `tests.missing` for where there is none."""
    found = program()
    if found is None:
        missing("MariaDB is missing: apt-get install mariadb-server")
    with mariadb(found) as url:
        yield url
