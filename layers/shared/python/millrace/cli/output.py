"""Output for people and for scripts: tables and colors on a terminal, plain text in a pipe, JSON with
`--json`."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text


def plain(text: Any) -> str:
    """A text without what could steer a terminal: agents and users write these texts."""
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in str(text))


def line(text: Any) -> str:
    """The same in one line."""
    return " ".join(plain(text).split())


class Output:
    """Stdout. `json` is the user's wish for JSON."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.console = Console(highlight=False)

    @property
    def is_terminal(self) -> bool:
        """True where a person reads."""
        return self.console.is_terminal

    def document(self, answer: Any) -> None:
        """A whole answer: JSON, or its fields."""
        data = to_json(answer)
        if self.json:
            self.json_line(data)
            return
        table = Table.grid(padding=(0, 2))
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            table.add_row(Text(str(name), style="bold"), Text(_cell(value)))
        self.console.print(table)

    def rows(self, answers: Iterable[Any], columns: Mapping[str, str]) -> None:
        """A list: a line of JSON each, or a table. `columns` are JSON's names by heading."""
        if self.json:
            for answer in answers:
                self.json_line(to_json(answer))
            return
        found = [to_json(answer) for answer in answers]
        if self.is_terminal:
            self._table(found, columns)
        else:  # to be cut and searched by other programs
            for one in found:
                print("\t".join(line(_cell(one.get(name))) for name in columns.values()))

    def _table(self, found: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        if not found:
            self.console.print("Nothing.", style="dim")
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for heading in columns:
            table.add_column(heading, overflow="fold")
        for one in found:
            table.add_row(*(Text(line(_cell(one.get(name)))) for name in columns.values()))
        self.console.print(table)

    def json_line(self, data: Any) -> None:
        """One document on a line of its own."""
        print(json.dumps(data, ensure_ascii=False, separators=(",", ":")), flush=True)

    def note(self, text: str) -> None:
        """A remark for a person: not part of the output of a script."""
        print(plain(text), file=sys.stderr)


def to_json(answer: Any) -> Any:
    """An answer as the API gave it."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return answer


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
