"""One event on its way through a pipeline."""

from typing import Any

Payload = dict[str, Any]


class Event:
    """An event as it was accepted.

    `time` is when it happened, `ingested` when it was accepted (both epoch milliseconds; `ingested` stays the
    same on redelivery and is what `now()` gives). (source, id) is its identity. `window` is set on what a
    window or batch gave out.
    """

    __slots__ = ("id", "ingested", "payload", "pipeline_id", "source", "time", "type", "window")

    def __init__(
        self,
        payload: Payload,
        id: str,
        source: str = "",
        type: str = "",
        time: int = 0,
        ingested: int = 0,
        pipeline_id: str = "",
        window: Payload | None = None,
    ) -> None:
        self.payload = payload
        self.id = id
        self.source = source
        self.type = type
        self.time = time
        self.ingested = ingested
        self.pipeline_id = pipeline_id
        self.window = window

    def meta(self) -> Payload:
        """What an expression sees as `$meta`."""
        return {
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": self.time,
            "pipelineId": self.pipeline_id,
            "window": self.window,
        }

    def with_payload(self, payload: Payload, id: str | None = None) -> "Event":
        """The same event with another payload (and another id, where one event became several)."""
        return Event(
            payload,
            self.id if id is None else id,
            self.source,
            self.type,
            self.time,
            self.ingested,
            self.pipeline_id,
            self.window,
        )

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, time={self.time}, payload={self.payload!r})"
