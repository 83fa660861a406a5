"""Sequence numbers of the Responses API: one integer for each event of a stream, after which it can be
resumed.

A number is derived from that of the log's event, so it has the log's guarantees: numbers increase, and none
that a client has seen is given to another event, even if a process died before it had logged what it sent. A
count would have neither. Clients only compare the numbers, so they may have gaps.
"""

from millrace.domain.event_ids import EventId
from millrace.protocols.framing import ChunkId

CHUNKS = 1000
"""More chunks than one event creates; the last event of a run closes everything that is open."""


def number_of(seq: int, position: int) -> int:
    """Return the number of a chunk from its event's number and its position (from 0) among that event's
    chunks."""
    return seq * CHUNKS + min(position, CHUNKS - 1)


def chunk_of(run_id: str, number: int) -> ChunkId:
    """Return the chunk that has a number."""
    seq, position = divmod(number, CHUNKS)
    return ChunkId(EventId(run_id, seq), position + 1)
