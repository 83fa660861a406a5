"""Numbers of chunks: where a client of another protocol is in a run.

One event of the log makes several chunks, and clients resume after any of them. A chunk's number is made of
its event's, so it keeps what the log promises: numbers grow, a number that was seen is never given to another
chunk (also where a process died before it had logged what it said), and whoever comes later gets the same.
Counting chunks would keep none of this.
"""

CHUNKS = 1000
"""The most chunks of one event; ends close what is open, and that is all that makes more than a few."""


def number_of(seq: int, position: int) -> int:
    """The number of a chunk, by its event and its position (from 0) among that event's chunks."""
    return seq * CHUNKS + min(position, CHUNKS - 1)


def seq_of(number: int) -> int:
    """The event of a chunk."""
    return number // CHUNKS
