"""Fixtures for every test: the emulated AWS, the fakes, the running stack."""

from collections.abc import Iterator

import pytest

from tests.aws import aws, aws_environment, ministack, template
from tests.fakes.fixtures import model_server, services
from tests.fakes.strict_dynamo import strict
from tests.stack import group_stack_tests, stack

__all__ = ["aws", "aws_environment", "ministack", "model_server", "services", "stack", "template"]


@pytest.fixture(scope="session", autouse=True)
def strict_dynamo() -> Iterator[None]:
    """DynamoDB refuses here what it refuses on AWS: the emulator would take it."""
    with strict():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group_stack_tests(items)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
