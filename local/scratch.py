"""A folder for one process's temporary files.

Its owner holds a lock on it as long as it lives. The next process removes folders whose owners were killed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "millrace-stack-"


class Scratch:
    """The folder, at `path` until `remove`."""

    def __init__(self) -> None:
        _sweep()
        self.path, self._lock = _make()
        while not self.path.exists():  # another process swept it before it was locked
            os.close(self._lock)
            self.path, self._lock = _make()

    def remove(self) -> None:
        """Remove the folder. Can be repeated safely."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _make() -> tuple[Path, int]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # its owner lives, it belongs to another user, or it was removed in the meantime
        with contextlib.suppress(OSError):
            _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
