"""The import of an app, during which the garbage collector is off."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streaming_runtime.errors import SetupError
from streaming_runtime.handler import load_app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("collecting", None)


def test_app_is_imported_without_collections_and_frozen(folder: Path) -> None:
    (folder / "collecting.py").write_text(
        "import gc\nenabled = gc.isenabled()\nmade = [[at] for at in range(1000)]\nasync def app(*_): ...\n"
    )
    before = gc.get_freeze_count()
    load_app("collecting.app")
    assert sys.modules["collecting"].enabled is False
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= 1000


def test_collections_go_on_after_an_import_that_failed(folder: Path) -> None:
    (folder / "collecting.py").write_text("import not_there_at_all\n")
    with pytest.raises(SetupError):
        load_app("collecting.app")
    assert gc.isenabled()
