"""Chunks of the AI SDK, and the metadata of parts."""

from typing import Any

import orjson

from millrace.domain.events import Event

Chunk = dict[str, Any]


def line(chunk: Chunk) -> bytes:
    """Return the chunk as SSE's field `data`."""
    return b"data: " + orjson.dumps(chunk)


def about(seq: int, event: Event) -> Chunk:
    """Return the metadata of a part: the number of its first event, and the sub-agent that it comes from."""
    origin = {name: event[name] for name in ("parent", "agentId") if name in event}
    return {"millrace": {"seq": seq} | origin}


def data(name: str, value: Any, *, part_id: str = "", transient: bool = False) -> Chunk:
    """Return one of our own parts."""
    chunk: Chunk = {"type": f"data-{name}", "data": value}
    if part_id:
        chunk["id"] = part_id
    return chunk | {"transient": True} if transient else chunk
