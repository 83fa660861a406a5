"""Logged events as Server-Sent Events: LF only, one line of JSON each.

The `id` of a run's event is `<runId>.<seq>`; that of an event of the command center is its number. An event
without a number (0) is not in the log and has no id.
"""

from collections.abc import Iterable, Sequence

import orjson
from msgspec import Struct

from millrace.domain.event_ids import EventId
from millrace.domain.events import TERMINAL, Detail, LogEntry
from millrace.domain.projection import CAP, project
from millrace.protocols.protocol import RETRY
from millrace.protocols.table import NATIVE


class NativeEncoder(Struct, frozen=True):
    """A client's view of events: their detail, whether they have SSE's `event` field, and their run. It needs
    no earlier events, so a stream is read from where it resumes."""

    detail: Detail
    named: bool = False
    run_id: str = ""

    def frames(self, batch: Sequence[LogEntry]) -> bytes:
        """See `protocol.Encoder`."""
        return encode(batch, self.detail, named=self.named, run_id=self.run_id)

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocol.Encoder`. A stream that ends before its run asks the client to come back."""
        over = last is not None and last.type in TERMINAL and "parent" not in last.event
        return b"" if over else RETRY


def encode(events: Iterable[LogEntry], detail: Detail, *, named: bool = False, run_id: str = "") -> bytes:
    """Return the frames of these events of one run (or of none) without the hidden ones. `named` adds SSE's
    `event:` field."""
    prefix = b"id: %b." % run_id.encode() if run_id else b"id: "
    return b"".join([_frame(event, detail, named, prefix) for event in events])


def heartbeat_at(event_id: EventId) -> bytes:
    """Return a heartbeat whose id says where a stream begins, so that a client which has seen nothing else
    resumes there."""
    return b"id: %b\n%b" % (str(event_id).encode(), NATIVE.heartbeat)


def _frame(logged: LogEntry, detail: Detail, named: bool, prefix: bytes) -> bytes:
    if logged.type == "token" and "parent" not in logged.event and CAP not in logged.event:
        data = logged.data  # the most frequent case: encoded once, for the log and for all viewers
    else:
        event = project(logged.event, detail)
        if event is None:
            return b""
        data = logged.data if event is logged.event else orjson.dumps(event)
    name = b"event: %b\n" % orjson.loads(data)["type"].encode() if named else b""
    if not logged.seq:
        return b"%bdata: %b\n\n" % (name, data)
    return b"%b%b%d\ndata: %b\n\n" % (name, prefix, logged.seq, data)
