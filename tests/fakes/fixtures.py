"""Fixtures for whoever needs a fake: import them in a `conftest.py`."""

from collections.abc import Iterator

import pytest

from tests.fakes.model_server import ModelServer


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A running `ModelServer`; see its module for what it can be told to do."""
    with ModelServer() as server:
        yield server
