"""The position from which a stream continues."""

import re
from pathlib import Path

import pytest

from millrace.client.follow import Cursor

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("last", "id", "expected"),
    [
        (None, "run_1.1", False),
        ("run_1.5", None, False),
        ("run_1.5", "run_1.5", True),
        ("run_1.5", "run_1.4", True),
        ("run_1.5", "run_1.6", False),
        ("run_1.9", "run_1.10", False),
        ("run_1.5", "run_2.1", False),
        ("none.0", "run_1.1", False),
        ("17", "18", False),
        ("17", "17", True),
        ("run_1.5-1", "run_1.5-2", False),
        ("run_1.5-1", "run_1.5", False),
        ("run_1.5", "run_1.5-1", True),
        ("run_1.5", "run_1.6-1", False),
    ],
)
def test_event_is_old_up_to_the_last_one_of_its_run(last: str | None, id: str | None, expected: bool) -> None:
    assert Cursor(last_id=last).is_old(id) is expected


def test_no_function_imports_the_client() -> None:
    """The import rules hold for the package; functions stand outside of it."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("functions", "layers/runtime")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bmillrace\.(client|cli)\b", path.read_text())
    ]
    assert found == []
