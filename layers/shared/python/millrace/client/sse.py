"""Parses Server-Sent Events as bytes arrive:
https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from typing import Any, NamedTuple

import orjson

from millrace.client.errors import ProtocolError
from millrace.domain.line_ends import LineEnds

EVENT_LIMIT = 16 * 1024 * 1024


class Message(NamedTuple):
    """An event: its own id (None if it cannot be resumed from) and its JSON object."""

    id: str | None
    event: dict[str, Any]


class EventParser:
    """Cuts a byte stream into its events, regardless of how the network split it. An event without an empty
    line after it is incomplete and ignored."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._ends = LineEnds()

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the events that `chunk` completes. Raises `ProtocolError`."""
        chunk = self._ends.plain(chunk)
        # The empty line itself may be split.
        if b"\n\n" not in chunk and not (chunk.startswith(b"\n") and self._parts):
            self._hold(chunk)
            return []
        *blocks, rest = b"".join((*self._parts, chunk)).split(b"\n\n")
        self._parts, self._size = [], 0
        self._hold(rest)
        return [message for block in blocks if (message := _message(block))]

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
        if self._size > EVENT_LIMIT:
            raise ProtocolError(f"An event exceeds {EVENT_LIMIT:,} bytes.")


def _message(block: bytes) -> Message | None:
    """Return the event in the lines between two empty ones; None for comments, `retry:`, and anything but an
    object with a `type` (which may be of another protocol or a later release)."""
    id: str | None = None
    data = b""
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            data = (data + b"\n" if data else b"") + line[5:]
        elif line.startswith(b"id:"):
            id = line[3:].decode(errors="replace").removeprefix(" ")
    if not data:
        return None
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"An event is not JSON: {data[:80].decode(errors='replace')}") from error
    return Message(id, event) if isinstance(event, dict) and "type" in event else None
