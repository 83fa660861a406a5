"""One event on its way through a pipeline."""

from typing import Any

import orjson
from msgspec import Raw, Struct

Payload = dict[str, Any]


class Event(Struct, gc=False):
    """An event as it was accepted.

    `time` is when it happened, `ingested` when it was accepted (both in epoch milliseconds; `ingested` stays
    the same on redelivery and is the value of `now()`). (source, id) is its identity. `window` is set on the
    output of a window. `parts` (id, time, type and sequence of each item, in memory only) is set on the
    output of a batch until a step changes it. `split_into` is the number of events that the accepted one has
    become. `hops` is how often it has left here and returned. `sequence` orders the changes of a row: digits
    of a fixed length, compared as text, or "" without a known order.

    Creating a struct takes a quarter of the time of a Python object. The garbage collector can skip it,
    because it contains JSON, which cannot refer back to it.
    """

    payload: Payload
    id: str
    source: str = ""
    type: str = ""
    time: int = 0
    ingested: int = 0
    pipeline_id: str = ""
    window: Payload | None = None
    parts: list[tuple[str, int, str, str]] | None = None
    split_into: int = 1
    hops: int = 0
    sequence: str = ""

    def meta(self) -> Payload:
        """Return the metadata that an expression sees as `$meta`."""
        return {
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": self.time,
            "sequence": self.sequence or None,
            "pipelineId": self.pipeline_id,
            "window": self.window,
        }

    def with_payload(self, payload: Payload, id: str | None = None) -> "Event":
        """Return the same event with another payload (and another id, if one event became several)."""
        return Event(
            self.whole(payload),
            self.id if id is None else id,
            self.source,
            self.type,
            self.time,
            self.ingested,
            self.pipeline_id,
            self.window,
            self.parts if payload is self.payload else None,
            self.split_into,
            self.hops,
            self.sequence,
        )

    def whole(self, payload: Payload) -> Payload:
        """Return the payload that a step got from this event, with all of its fields."""
        return payload

    def read(self) -> "Event":
        """Return the event with its payload as an object."""
        return self


class UnreadEvent(Event, gc=False):
    """An event of a message, with a payload that is still JSON.

    If steps need only some of its fields, `seen` is an object with those. The rest is parsed only if it
    leaves or fails.
    """

    payload: Raw  # type: ignore[assignment]
    seen: Payload | None = None

    def whole(self, payload: Payload) -> Payload:
        return self.load() if payload is self.seen else payload

    def read(self) -> Event:
        return self.with_payload(self.load())

    def load(self) -> Payload:
        """Return the payload as an object."""
        payload: Payload = orjson.loads(memoryview(self.payload))
        return payload
