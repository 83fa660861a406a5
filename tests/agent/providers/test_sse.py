import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.providers import sse
from millrace.agent.providers.sse import SseParser
from tests.agent.providers.asking import cuts

STREAM = (
    b": keep-alive\n\n"
    b'data: {"a": 1}\n\n'
    b'event: delta\r\nid: 7\r\ndata:{"b": "\xc3\xa9"}\r\n\r\n'
    b"data: one\ndata: two\n\n"
    b"data: old\r\rdata: mac\r\r"
    b"retry: 100\n\n"
    b"data: [DONE]"
)
EVENTS = [b'{"a": 1}', b'{"b": "\xc3\xa9"}', b"one\ntwo", b"old", b"mac", b"[DONE]"]


def parsed(chunks: list[bytes]) -> list[bytes]:
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.end()


def test_comments_line_ends_and_a_missing_last_line_end_are_understood() -> None:
    assert parsed([STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_any_cutting_of_the_bytes_gives_the_same_events(positions: list[int]) -> None:
    assert parsed(cuts(STREAM, positions)) == EVENTS


def test_one_byte_at_a_time_gives_the_same_events() -> None:
    assert parsed([STREAM[position : position + 1] for position in range(len(STREAM))]) == EVENTS


@pytest.mark.parametrize("line", [b"x" * 100, b"data: x\n" * 15, b"data:\n" * 25])
def test_event_without_end_is_refused_at_the_limit(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_LIMIT", 200)
    with pytest.raises(ValueError, match="200 bytes"):
        parsed([line] * 3)
