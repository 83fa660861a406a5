"""Reading Server-Sent Events in tests: just enough of the standard to see what was sent."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """One event as it came: its id (None for heartbeats), its `event` field, its JSON."""

    id: int | None
    name: str | None
    data: dict[str, Any]


def read_events(lines: Iterable[str]) -> Iterator[Sent]:
    """Events of a stream of lines; a last one without its blank line is not one."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            if "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Sent(number, fields.get("event"), json.loads(fields["data"]))
            fields = {}


def types(events: Iterable[Sent]) -> list[str]:
    """The types in order, heartbeats left out, neighbours of one type counted once."""
    found: list[str] = []
    for event in events:
        kind = event.data["type"]
        if kind != "heartbeat" and (not found or found[-1] != kind):
            found.append(kind)
    return found


def answer(events: Iterable[Sent]) -> str:
    """The text that the tokens make."""
    return "".join(event.data["token"] for event in events if event.data["type"] == "token")
