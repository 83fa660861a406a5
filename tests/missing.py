"""Handle a test whose system program is not installed."""

import os
from typing import NoReturn

import pytest


def missing(hint: str) -> NoReturn:
    """Skip the test with a hint on how to install the program. Fail if CI is set."""
    if os.environ.get("CI"):
        pytest.fail(hint)
    pytest.skip(hint)
