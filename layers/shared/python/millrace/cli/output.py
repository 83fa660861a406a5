"""Output for people and scripts: tables and colors on a terminal, plain text in a pipe, JSON with
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
    """Return a text without terminal control characters, because agents and users write these texts."""
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in str(text))


def line(text: Any) -> str:
    """Return the same on one line."""
    return " ".join(plain(text).split())


class Output:
    """Stdout. `json` is set by `--json`."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.console = Console(highlight=False)

    @property
    def is_terminal(self) -> bool:
        """True if a person reads."""
        return self.console.is_terminal

    def document(self, answer: Any) -> None:
        """Print a whole answer: JSON, or its fields."""
        data = to_json(answer)
        if self.json:
            self.json_line(data)
            return
        table = Table.grid(padding=(0, 2))
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            table.add_row(Text(str(name), style="bold"), Text(_cell(value)))
        self.console.print(table)

    def rows(self, answers: Iterable[Any], columns: Mapping[str, str]) -> None:
        """Print a list: a line of JSON each, or a table. `columns` maps headings to JSON names."""
        if self.json:
            for answer in answers:
                self.json_line(to_json(answer))
            return
        found = [to_json(answer) for answer in answers]
        if self.is_terminal:
            self._table(found, columns)
        else:  # for other programs to cut and search
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
        """Print one document on a line of its own."""
        print(json.dumps(data, ensure_ascii=False, separators=(",", ":")), flush=True)

    def note(self, text: str) -> None:
        """Print a remark for a person, which is not part of a script's output."""
        print(plain(text), file=sys.stderr)


def to_json(answer: Any) -> Any:
    """Return an answer as the API sent it."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return answer


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
