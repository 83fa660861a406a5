"""Sequence numbers of the Responses API: one integer for each event of a stream, behind which it goes on.

A number is made of the number of the log's event, so it keeps what the log promises: numbers grow, and none
that a client has seen is given to another event, even where a process died before it had logged what it sent.
Counting would keep neither. Clients compare the numbers; nothing needs them to be without gaps.
"""

from millrace.domain.event_ids import EventId
from millrace.protocols.framing import ChunkId

CHUNKS = 1000
"""More chunks than one event makes: the last of a run closes what is open."""


def number_of(seq: int, position: int) -> int:
    """The number of a chunk, by its event's and its position (from 0) among that event's chunks."""
    return seq * CHUNKS + min(position, CHUNKS - 1)


def chunk_of(run_id: str, number: int) -> ChunkId:
    """The chunk that has a number."""
    seq, position = divmod(number, CHUNKS)
    return ChunkId(EventId(run_id, seq), position + 1)
