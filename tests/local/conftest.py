"""Fixtures of the local stack's tests: the stack with small test functions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import RunningStack

TEMPLATE = Path(__file__).parent / "template.yaml"


@pytest.fixture(scope="session")
def web_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "app-1234.js").write_text("export {}")
    return folder


@pytest.fixture(scope="session")
def small_stack(web_folder: Path) -> Iterator[RunningStack]:
    """The stack with tests/local/template.yaml: its functions stream, wait, die and fail as told."""
    running = RunningStack(["--template", str(TEMPLATE), "--web", str(web_folder)])
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "small_stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("small_stack"))
            item.add_marker(pytest.mark.stack)
