"""Temporary folders: each belongs to one process, and is deleted with it or at the next start."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.scratch import Scratch

TAKE = """
import os, signal
from local.scratch import Scratch
scratch = Scratch()
(scratch.path / "file").write_text("left")
print(scratch.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_files_of_a_killed_process_are_removed_by_the_next_one(folder: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", TAKE], capture_output=True, text=True, timeout=60)
    left = Path(killed.stdout.strip())
    assert left.parent == folder
    assert (left / "file").exists()
    scratch = Scratch()
    assert list(folder.iterdir()) == [scratch.path]
    scratch.remove()
    assert list(folder.iterdir()) == []


def test_living_process_keeps_its_folder_and_links_are_left_alone(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "millrace-stack-link").symlink_to(folder / "elsewhere")
    first, second = Scratch(), Scratch()
    assert first.path.exists()
    assert (folder / "millrace-stack-link" / ".").exists()
    for scratch in (first, second):
        scratch.remove()
        scratch.remove()
