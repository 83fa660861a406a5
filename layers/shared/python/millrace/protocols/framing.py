"""Chunks as Server-Sent Events, each with an id after which the stream can be resumed.

The id of an event's last chunk is that of the event, `<runId>.<seq>`; that of its n-th chunk before that is
`<runId>.<seq>-<n>`. So a client that has seen a whole event names an event of the log, as on every other
stream.
"""

from collections.abc import Sequence
from typing import NamedTuple

from millrace.domain.event_ids import EventId, parse_event_id, parse_seq
from millrace.domain.events import TERMINAL, LogEntry
from millrace.errors import InvalidRequest
from millrace.protocols.protocol import RETRY, Projection

WHOLE = 0
"""The part that says that all chunks of an event were seen."""


class ChunkId(NamedTuple):
    """The last chunk that a client has seen: the n-th of an event, or `WHOLE` for all of its chunks."""

    event: EventId
    part: int = WHOLE

    @property
    def seq(self) -> int:
        """The number of the last event all of whose chunks were seen."""
        return self.event.seq - 1 if self.part else self.event.seq

    def __str__(self) -> str:
        return f"{self.event}-{self.part}" if self.part else str(self.event)


def parse_chunk_id(text: str) -> ChunkId:
    """Return the chunk or event that a client names. Raises `InvalidRequest`."""
    event, dash, part = text.rpartition("-")
    if not dash or "." not in event:  # the ids of runs may contain dashes
        return ChunkId(parse_event_id(text))
    found = ChunkId(parse_event_id(event), parse_seq(part))
    if not found.part:
        raise InvalidRequest("The event id is not valid.", code="invalid_query")
    return found


class Framed:
    """The stream of a projection (see `protocol.Encoder`) from its first event on, without the chunks that a
    client has seen and the next `skip` chunks. With `numbered`, chunks have ids."""

    def __init__(
        self,
        projection: Projection,
        run_id: str,
        *,
        seen: ChunkId | None = None,
        skip: int = 0,
        numbered: bool = True,
    ) -> None:
        self._projection = projection
        self._prefix = b"id: %b." % run_id.encode() if numbered else b""
        self._seen = seen
        self._skip = skip
        self.count = 0
        """The number of chunks so far after the one that was seen, including skipped ones."""

    def frames(self, batch: Sequence[LogEntry]) -> bytes:
        """See `protocol.Encoder`."""
        return b"".join([self._event(entry) for entry in batch])

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocol.Encoder`."""
        return self._projection.end(last) if is_final(last) else RETRY

    def _event(self, entry: LogEntry) -> bytes:
        chunks = self._projection.chunks(entry)
        if not chunks:
            return b""
        hidden = self._known(entry.seq, len(chunks))
        left = len(chunks) - hidden
        hidden += min(max(self._skip - self.count, 0), left)
        self.count += left
        if len(chunks) == 1:  # the most frequent case
            return b"" if hidden else b"%b%b\n\n" % (self._id(entry.seq), chunks[0])
        return b"".join(
            b"%b%b\n\n" % (self._id(entry.seq, 0 if n == len(chunks) else n), chunk)
            for n, chunk in enumerate(chunks, 1)
            if n > hidden
        )

    def _known(self, seq: int, chunks: int) -> int:
        """Return how many of an event's chunks the client has seen."""
        if self._seen is None or not seq or seq > self._seen.event.seq:
            return 0
        if seq < self._seen.event.seq or not self._seen.part:
            return chunks
        return min(self._seen.part, chunks)

    def _id(self, seq: int, part: int = WHOLE) -> bytes:
        if not self._prefix or not seq:  # an event without a number is not in the log
            return b""
        return b"%b%d-%d\n" % (self._prefix, seq, part) if part else b"%b%d\n" % (self._prefix, seq)


def is_final(last: LogEntry | None) -> bool:
    """Return whether a stream that ends with this event has really ended, and has not just run out of
    time."""
    if last is None or "parent" in last.event:
        return False
    return last.type in TERMINAL or last.type == "waiting"
