"""The events of an interrupted step to announce again, limited to what fits in one write."""

from collections.abc import Iterable

import orjson

from millrace.domain.events import Event

RETOLD_BYTES = 2_000_000
"""The maximum size to announce again; with the other writes of a takeover it stays below DynamoDB's 4 MB."""
PIECE_CHARACTERS = 100_000
_TEXTS = {"token": "token", "thinking": "text"}


def retold(announced: Iterable[Event]) -> list[Event]:
    """Return the events with adjacent pieces of a text joined.

    If they are too large, the thoughts of other agents are left out, and then the results of their tools.
    """
    events = _joined(announced)
    if _size(events) > RETOLD_BYTES:
        events = [event for event in events if "parent" not in event or event["type"] not in _TEXTS]
    if _size(events) > RETOLD_BYTES:
        events = [_short(event) for event in events]
    return events


def _joined(announced: Iterable[Event]) -> list[Event]:
    joined: list[Event] = []
    for event in announced:
        name = _TEXTS.get(event["type"])
        last = joined[-1] if joined else None
        if name and last and last | {name: ""} == event | {name: ""} and len(last[name]) < PIECE_CHARACTERS:
            joined[-1] = last | {name: last[name] + event[name]}
        else:
            joined.append(event)
    return joined


def _short(event: Event) -> Event:
    return event | {"result": ""} if "result" in event else event


def _size(events: list[Event]) -> int:
    return sum(len(orjson.dumps(event)) for event in events)
