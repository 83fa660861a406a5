"""Framing of chunks in every protocol: ids after which a stream continues, wherever it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain import events
from millrace.domain.event_ids import EventId
from millrace.domain.events import LogEntry
from millrace.errors import InvalidRequest
from millrace.protocols.framing import ChunkId, Framed, is_final, parse_chunk_id
from millrace.protocols.protocol import RETRY
from millrace.stores.event_log import encode as logged

RUN = "run_1-a"


class Words:
    """A projection that makes a chunk of each word, numbered over the whole run."""

    def __init__(self) -> None:
        self.count = 0

    def chunks(self, entry: LogEntry) -> list[bytes]:
        words = str(entry.event.get("token", "end")).split()
        self.count += len(words)
        return [b'data: {"%d":"%b"}' % (self.count - n, word.encode()) for n, word in enumerate(words)]

    def end(self, last: LogEntry | None) -> bytes:
        return b"data: [DONE]\n\n"


def whole(entries: list[LogEntry], **seen: object) -> bytes:
    framed = Framed(Words(), RUN, **seen)  # type: ignore[arg-type]
    return b"".join(framed.frames([entry]) for entry in entries) + framed.end(entries[-1])


texts = st.lists(st.lists(st.just("w"), max_size=3).map(" ".join), max_size=6)


@given(texts, st.lists(st.integers(1, 9), min_size=7, max_size=7))
def test_replay_behind_any_chunk_is_the_rest_of_the_stream(said: list[str], gaps: list[int]) -> None:
    seqs = [sum(gaps[: n + 1]) for n in range(len(said) + 1)]
    last = events.done("m", None, None, "stop", 1)
    entries = [logged(seq, events.token(text)) for seq, text in zip(seqs, said, strict=False)]
    entries.append(logged(seqs[-1], last))
    stream = whole(entries)
    frames = [frame + b"\n\n" for frame in stream.split(b"\n\n") if frame]
    for n in range(len(frames)):
        rest = b"".join(frames[n:])
        assert whole(entries, skip=n) == rest
        if n:
            seen = parse_chunk_id(frames[n - 1].split(b"\n")[0].decode().removeprefix("id: "))
            assert whole(entries, seen=seen) == rest


def test_id_of_an_events_last_chunk_is_the_events_own() -> None:
    assert Framed(Words(), RUN).frames([logged(3, events.token("a b"))]) == (
        b'id: run_1-a.3-1\ndata: {"2":"a"}\n\nid: run_1-a.3\ndata: {"1":"b"}\n\n'
    )
    assert Framed(Words(), RUN).frames([logged(0, events.token("a"))]) == b'data: {"1":"a"}\n\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run_1-a.3", ChunkId(EventId("run_1-a", 3))),
        ("run_1-a.3-2", ChunkId(EventId("run_1-a", 3), 2)),
        ("run-1.7", ChunkId(EventId("run-1", 7))),
    ],
)
def test_chunk_id_reads_back(text: str, found: ChunkId) -> None:
    assert parse_chunk_id(text) == found
    assert str(found) == text


@pytest.mark.parametrize(
    "text", ["", "3", "run_1", "run_1.3-0", "run_1.3-x", "run_1.3-", "run_1.-1", "a.b.3"]
)
def test_wrong_chunk_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_chunk_id(text)


def test_only_the_end_of_the_run_or_its_waiting_ends_a_stream_for_good() -> None:
    end = logged(2, events.done("m", None, None, "stop", 1))
    nested = logged(2, events.done("m", None, None, "stop", 1) | {"parent": "c1"})
    assert is_final(end)
    assert is_final(logged(2, events.waiting([], "2030-01-01T00:00:00Z")))
    assert not is_final(nested)
    framed = Framed(Words(), RUN)
    assert framed.end(end) == b"data: [DONE]\n\n"
    assert framed.end(nested) == framed.end(None) == RETRY
