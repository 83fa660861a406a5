"""The effort of expensive tests: enough to detect a broken guarantee, and far more under `make soak`."""

import os

import pytest

SOAKING = os.environ.get("MILLRACE_SOAK") == "1"

soak = pytest.mark.soak
"""Of tests with a long form, which `make soak` runs."""


SOAK_SECONDS = 3_600
"""The most that the long form of one test may take."""


def effort(usual: int, soaking: int) -> int:
    """Return the number of rounds, examples or events of a test: `usual`, or `soaking` under `make soak`."""
    return soaking if SOAKING else usual
