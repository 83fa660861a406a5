"""Parsing events from bytes, however they are split."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.client import ProtocolError
from millrace.client.sse import EVENT_LIMIT, EventParser, Message
from tests.effort import effort, soak

EVENTS: list[Message] = [
    Message("run_1.1", {"type": "start", "runId": "run_1"}),
    Message(None, {"type": "heartbeat"}),
    Message("run_1.2", {"type": "token", "token": "Grüße 🌊\n\nand\rmore"}),
    Message("run_1.3", {"type": "done"}),
]


def stream(end: str = "\n") -> bytes:
    """The events as a server or a proxy sends them, with what is no event between them."""
    lines = ["retry: 1000", "", ": a comment", ""]
    for message in EVENTS:
        lines += [f"id: {message.id}"] if message.id else []
        lines += ["event: named", f"data: {json.dumps(message.event, ensure_ascii=False)}", ""]
    return "".join(line + end for line in lines).encode()


def parsed(chunks: list[bytes]) -> list[Message]:
    parser = EventParser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


@soak
@settings(max_examples=effort(150, 5_000), deadline=None)
@given(end=st.sampled_from(["\n", "\r\n"]), data=st.data())
def test_events_do_not_depend_on_how_the_bytes_are_cut(end: str, data: st.DataObject) -> None:
    whole = stream(end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    chunks = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert parsed(chunks) == EVENTS


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_events_come_byte_by_byte(end: str) -> None:
    whole = stream(end)
    assert parsed([whole[at : at + 1] for at in range(len(whole))]) == EVENTS


def test_event_without_its_empty_line_is_none() -> None:
    assert parsed([b'id: 1\ndata: {"type": "token"}\n']) == []


def test_data_of_several_lines_is_one_document() -> None:
    assert parsed([b'data: {"type":\ndata: "token"}\n\n']) == [Message(None, {"type": "token"})]


@pytest.mark.parametrize("data", [b"[1]", b'{"no": "type"}', b"1"])
def test_document_of_another_kind_is_passed_over(data: bytes) -> None:
    assert parsed([b"data: " + data + b"\n\n"]) == []


def test_event_that_is_no_json_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="<html>"):
        parsed([b"data: <html>\n\n"])


def test_event_without_end_is_an_error() -> None:
    parser = EventParser()
    chunk: Any = b"data: " + b"x" * (EVENT_LIMIT // 2)
    parser.feed(chunk)
    with pytest.raises(ProtocolError, match="exceeds"):
        parser.feed(chunk)
