"""One part of an export: a zip archive in a temporary file, with records as JSON Lines and files."""

import shutil
import tempfile
import zipfile
from collections import defaultdict
from types import TracebackType
from typing import IO, Any

import orjson

_COPIED_AT_ONCE = 256 * 1024
_TIME = (1980, 1, 1, 0, 0, 0)


class Archive:
    """An archive that is being written.

    Records of one kind are a file `<kind>.jsonl`. They are kept in memory until the end, because a zip
    archive takes one file after the other. Files are written as they are read.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        self._lines: dict[str, bytearray] = defaultdict(bytearray)
        self._names: set[str] = set()
        self.size = 0
        """The uncompressed size in bytes of what was added."""
        self.count = 0

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: Any, trace: TracebackType | None) -> None:
        try:
            self._zip.close()
        except ValueError:  # interrupted within a file
            self._zip.fp = None
        self._file.close()

    def add(self, kind: str, record: dict[str, Any]) -> None:
        """Add a record."""
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        self._lines[kind] += line
        self.size += len(line)
        self.count += 1

    def add_file(self, name: str, content: Any) -> None:
        """Add a file read from `content`. Blocks. Files are not compressed, because most already are."""
        entry = zipfile.ZipInfo(self._free(safe_name(name)), _TIME)
        with self._zip.open(entry, "w", force_zip64=True) as target:
            shutil.copyfileobj(content, target, _COPIED_AT_ONCE)
        self.size += entry.file_size
        self.count += 1

    def _free(self, name: str) -> str:
        """Return the name, with a number if the archive already has it."""
        number = 1
        stem, dot, ending = name.rpartition(".")
        while name in self._names:
            number += 1
            name = f"{stem}-{number}{dot}{ending}"
        self._names.add(name)
        return name

    def finish(self, about: dict[str, Any]) -> tuple[IO[bytes], int]:
        """Write the records and `about.json`, and return the file at its beginning and its size. Blocks."""
        for kind, lines in self._lines.items():
            self._zip.writestr(zipfile.ZipInfo(f"{kind}.jsonl", _TIME), lines, zipfile.ZIP_DEFLATED)
        description = orjson.dumps(about, option=orjson.OPT_INDENT_2)
        self._zip.writestr(zipfile.ZipInfo("about.json", _TIME), description, zipfile.ZIP_DEFLATED)
        self._zip.close()
        size = self._file.tell()
        self._file.seek(0)
        return self._file, size


def safe_name(name: str) -> str:
    """Return a name that stays within the folder where the archive is unpacked, on every system."""
    parts = [_safe_part(part) for part in name.split("/")]
    return "/".join(part for part in parts if part)


def _safe_part(part: str) -> str:
    cleaned = "".join("_" if one in '\\:*?"<>|' or not one.isprintable() else one for one in part)
    return "_" * len(cleaned) if set(cleaned) <= {".", " "} else cleaned
