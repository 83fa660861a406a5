"""Handle a test whose system program is not installed."""

import os
from typing import NoReturn

import pytest


def missing(hint: str) -> NoReturn:
    """Skip the test with the line that says what brings the program; where CI is set, fails it."""
    if os.environ.get("CI"):
        pytest.fail(hint)
    pytest.skip(hint)
