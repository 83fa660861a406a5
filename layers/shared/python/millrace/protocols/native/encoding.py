"""Logged events as Server-Sent Events: LF only, one line of JSON each, an `id` on every one of them."""

from collections.abc import Iterable

import orjson

from millrace.domain.events import Detail, Logged
from millrace.domain.projection import project

HEARTBEAT = b'data: {"type":"heartbeat"}\n\n'
RETRY = b"retry: 1000\n\n"
"""The end of a stream that is not the end of what it follows: clients come back and resume."""


def encode(events: Iterable[Logged], detail: Detail, *, named: bool = False) -> bytes:
    """The frames of these events, hidden ones left out. `named` adds SSE's `event:` field."""
    return b"".join([_frame(event, detail, named) for event in events])


def _frame(logged: Logged, detail: Detail, named: bool) -> bytes:
    if logged.type == "token" and "parent" not in logged.event:
        data = logged.data  # the usual case: encoded once, for the log and for every viewer
    else:
        event = project(logged.event, detail)
        if event is None:
            return b""
        data = logged.data if event is logged.event else orjson.dumps(event)
    if named:
        return b"event: %b\nid: %d\ndata: %b\n\n" % (orjson.loads(data)["type"].encode(), logged.seq, data)
    return b"id: %d\ndata: %b\n\n" % (logged.seq, data)
