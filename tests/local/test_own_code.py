"""Errors in the project's own code, as the console of the local stack shows them."""

from pathlib import Path

import pytest

from local.app import App
from local.own_code import mistake_in

TOOL = """
from millrace.app import tool

@tool
def look(order: str) -> str:
    "Look an order up."
    return order
"""


def app_of(folder: Path, code: str) -> App:
    package = folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text(code)
    return App(folder, ("shop",))


@pytest.mark.parametrize(
    ("code", "mistake"),
    [
        (TOOL, None),
        ("def broken(:\n", "shop cannot be imported: SyntaxError: invalid syntax (__init__.py, line 1)"),
        (
            "import nowhere",
            "shop cannot be imported: the module nowhere does not exist; "
            "is its package in app/requirements.txt?",
        ),
    ],
)
async def test_mistake_in_own_code_is_one_line(tmp_path: Path, code: str, mistake: str | None) -> None:
    assert await mistake_in(app_of(tmp_path, code), {}) == mistake
