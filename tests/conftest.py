"""Fixtures for every test: the emulated AWS, the fakes, the running stack."""

import pytest

from tests.aws import aws, aws_environment, ministack, template
from tests.fakes.fixtures import model_server, services
from tests.stack import group_stack_tests, stack

__all__ = ["aws", "aws_environment", "ministack", "model_server", "services", "stack", "template"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group_stack_tests(items)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
