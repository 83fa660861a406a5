"""Mistakes in files, each with its file and line."""

from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The keys and positions that lead to a part of a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, with the lines of its parts."""

    file: str
    lines: dict[Path, int]

    def line(self, path: Path) -> int | None:
        """Return the line of a part, or of the nearest enclosing part with a known line."""
        return next(
            (self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None
        )

    def at(self, path: Path) -> str:
        """Return the location as `app/shop.yaml:12`."""
        line = self.line(path)
        return self.file if line is None else f"{self.file}:{line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a file."""

    place: Place
    path: Path
    message: str

    def __str__(self) -> str:
        dotted = ".".join(map(str, self.path))
        return f"{self.place.at(self.path)}: {f'{dotted}: ' if dotted else ''}{self.message}"


class ConfigurationError(Exception):
    """Files that cannot be applied. Nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


class Interrupted(Exception):
    """Applying stopped in the middle. What was written stays, and applying again continues."""
