"""The pytest plugin of Millrace: puts a project's `app/` on the path, loads its tools and agents, and has a
frozen clock.

It is found by its entry point, and imports nothing of Millrace until a test uses it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from millrace.testing import FrozenClock


def pytest_configure(config: pytest.Config) -> None:
    """Put `app/` on the path if the project has one with packages."""
    app = Path(config.rootpath) / "app"
    if any(app.glob("*/__init__.py")) and str(app) not in sys.path:
        sys.path.insert(0, str(app))


@pytest.fixture(scope="session")
def loaded_app(request: pytest.FixtureRequest) -> None:
    """Load the project's tools and agents, with the same checks as when a function starts."""
    from millrace.services.runs.own_code import load_checked

    app = Path(request.config.rootpath) / "app"
    load_checked(",".join(sorted(one.parent.name for one in app.glob("*/__init__.py"))))


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> "FrozenClock":
    """A clock that stands still, for Millrace and for `time.time()`; `advance(seconds)` moves it."""
    import time

    from millrace.testing import FrozenClock

    clock = FrozenClock()
    monkeypatch.setattr(time, "time", lambda: clock() / 1000)
    monkeypatch.setattr(time, "time_ns", lambda: clock() * 1_000_000)
    return clock
