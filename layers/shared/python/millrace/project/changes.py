"""The version of Millrace that a project used last, and the changes since then."""

import re
from importlib.resources import files
from pathlib import Path

from millrace import __version__
from millrace.project.files import stack_folder

NOTE = Path(".local") / "millrace-version"
_SECTION = re.compile(r"^## \[([^\]]+)\].*$", re.MULTILINE)
MOST_LINES = 60


def announce(project: Path) -> None:
    """Print the changes since the version that was last used here, and note the current version."""
    note = project / NOTE
    before = note.read_text().strip() if note.is_file() else ""
    if before == __version__:
        return
    if before:
        print(message(before, __version__, _changelog()), flush=True)
    note.parent.mkdir(exist_ok=True)
    note.write_text(f"{__version__}\n")


def message(before: str, now: str, changelog: str) -> str:
    """Return the two versions, and the changelog between them if it is short."""
    lines = between(changelog, before, now).splitlines()
    shown = lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        shown.append(f"... {len(lines) - MOST_LINES} more lines: millrace docs CHANGELOG")
    news = "\n".join(f"  {line}".rstrip() for line in shown) or "  The changelog says nothing of it."
    return f"\nMillrace {now} is used here for the first time; it was {before}.\n\n{news}\n"


def between(changelog: str, before: str, now: str) -> str:
    """Return the sections of the versions after one, up to another. After a downgrade there are none."""
    parts = _SECTION.split(changelog)[1:]
    sections = list(zip(parts[::2], parts[1::2], strict=True))
    wanted = [
        f"{version}\n{text.rstrip()}\n"
        for version, text in sections
        if version != "Unreleased" and _order(before) < _order(version) <= _order(now)
    ]
    return "\n".join(wanted)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0]))


def _changelog() -> str:
    installed = Path(str(files("millrace"))) / "CHANGELOG.md"
    found = installed if installed.is_file() else stack_folder() / "CHANGELOG.md"
    return found.read_text("utf-8") if found.is_file() else ""
