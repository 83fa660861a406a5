"""References in files: `${env.NAME}` is an environment variable, and `${prompt.NAME}` is asked for.

A `$$` before the brace stands for a `$`: `$${env.NAME}` is the text `${env.NAME}`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from millrace.cli.configuration.errors import Path

_REFERENCE = re.compile(r"(\$+)\{(env|prompt)\.([A-Za-z_][A-Za-z0-9_]*)\}")


class MissingReference(Exception):
    """A reference without a value. The message says what to do."""


@dataclass(slots=True)
class References:
    """Resolves references. `ask` asks a person without showing the answer; None if nobody can be asked."""

    variable: Callable[[str], str | None]
    ask: Callable[[str], str] | None = None
    _answers: dict[str, str] = field(default_factory=dict)

    def resolved(self, text: str) -> str:
        """Return the text with the values of its references. Raises `MissingReference`."""
        return _REFERENCE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        dollars, kind, name = match.groups()
        if len(dollars) > 1:
            return match.group()[1:]
        return self._environment(name) if kind == "env" else self._answer(name)

    def _environment(self, name: str) -> str:
        value = self.variable(name)
        if value is None:
            raise MissingReference(f"the variable {name} is not set in the environment")
        return value

    def _answer(self, name: str) -> str:
        if self.ask is None:
            raise MissingReference(
                f"there is no terminal to ask for {name}; run this in a terminal, or use ${{env.{name}}}"
            )
        if name not in self._answers:
            self._answers[name] = self.ask(name)
        return self._answers[name]


def has_reference(text: str) -> bool:
    """Return whether a text has a reference."""
    return any(len(match.group(1)) == 1 for match in _REFERENCE.finditer(text))


def literal(value: Any) -> Any:
    """Return a value as written in a file, with its texts escaped so that none is taken for a reference."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: "$" + match.group(), value)
    if isinstance(value, dict):
        return {name: literal(inner) for name, inner in value.items()}
    return [literal(inner) for inner in value] if isinstance(value, list) else value


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield each text of a value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from texts(inner, (*path, at))


def replaced(value: Any, change: Callable[[Path, str], str], path: Path = ()) -> Any:
    """Return a copy of a value with each of its texts changed."""
    if isinstance(value, str):
        return change(path, value)
    if isinstance(value, dict):
        return {name: replaced(inner, change, (*path, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, change, (*path, at)) for at, inner in enumerate(value)]
    return value
