"""A minimal reader of Server-Sent Events."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A received event: its id (None for heartbeats), its `event` field, and its JSON."""

    id: str | None
    name: str | None
    data: dict[str, Any]

    @property
    def seq(self) -> int:
        """The number in its id."""
        assert self.id is not None
        return int(self.id.rpartition(".")[2])

    @property
    def run_id(self) -> str:
        """The run in its id."""
        assert self.id is not None
        return self.id.rpartition(".")[0]


def read_events(lines: Iterable[str]) -> Iterator[Sent]:
    """Yield the events of a stream of lines. A last event without its blank line is dropped."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            if "data" in fields:
                yield Sent(fields.get("id"), fields.get("event"), json.loads(fields["data"]))
            fields = {}


def types(events: Iterable[Sent]) -> list[str]:
    """Return the types in order, without heartbeats and without repetitions in a row."""
    found: list[str] = []
    for event in events:
        kind = event.data["type"]
        if kind != "heartbeat" and (not found or found[-1] != kind):
            found.append(kind)
    return found


def answer(events: Iterable[Sent]) -> str:
    """Return the text of the tokens."""
    return "".join(event.data["token"] for event in events if event.data["type"] == "token")
