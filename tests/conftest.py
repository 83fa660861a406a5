"""Fixtures for every test: the emulated AWS, the fakes, the running stack."""

import tests.collector  # noqa: F401

# isort: split
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.aws import aws, aws_environment, ministack, template
from tests.effort import SOAK_SECONDS, SOAKING
from tests.fakes.fixtures import model_server, services, steady_office
from tests.fakes.strict_dynamo import strict
from tests.stack import group_stack_tests, stack, write_groups
from tests.thrift import (
    forget_apps,
    shared_findings,
    shared_service_models,
    shared_sessions,
    shared_trust,
    spare_imports,
)

__all__ = [
    "aws",
    "aws_environment",
    "ministack",
    "model_server",
    "services",
    "stack",
    "steady_office",
    "template",
]

# The machine decides how long an example takes, so tests set the number of examples, not deadlines.
settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")

SLOW_FIXTURES = {"aws", "browser", "mariadb_url", "ministack", "postgres_url", "small_stack", "stack"}
SLOW_MARKS = {"aws", "browser", "mariadb", "postgres", "sam", "stack"}
SLOW_FOLDERS = {"bench", "e2e", "frameworks", "local", "project", "runtime", "sdk"}
"""Everything else is marked `fast`, for `make test-fast`. Frameworks take seconds to import."""
BROWSER_FOLDERS = {"e2e", "project", "sdk", "web"}
"""No other tests take the fixture `browser`: `pytest -m browser` need not read them."""


@pytest.fixture(scope="session", autouse=True)
def strict_dynamo() -> Iterator[None]:
    """Refuse what DynamoDB on AWS refuses and the emulator accepts."""
    with strict():
        yield


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    with shared_service_models(), shared_sessions(), shared_findings(), shared_trust():
        yield


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    folder = collection_path.name if collection_path.parent == Path(__file__).parent else ""
    chosen = config.option.markexpr
    unread = chosen == "browser" and folder not in {*BROWSER_FOLDERS, ""}
    return unread or (chosen == "fast" and folder in SLOW_FOLDERS) or None


def pytest_collection_finish() -> None:
    spare_imports()


def pytest_runtest_logfinish() -> None:
    forget_apps()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    group_stack_tests(items)
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "browser" in fixtures:
            assert BROWSER_FOLDERS & set(item.path.parts), f"{item.nodeid} is not where browsers are expected"
            item.add_marker(pytest.mark.browser)
        if SOAKING and item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.timeout(SOAK_SECONDS), append=False)
        if not fixtures & SLOW_FIXTURES and not _is_slow(item):
            item.add_marker(pytest.mark.fast)
    if config.getoption("loadgroup", False):
        write_groups(items)


def _is_slow(item: pytest.Item) -> bool:
    marks = {mark.name for mark in item.iter_markers()}
    return bool(marks & SLOW_MARKS or SLOW_FOLDERS & set(item.path.parts))
