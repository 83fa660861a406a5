"""The streamed response itself: heartbeats, ends, disconnects."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.api import sse
from millrace.api.sse import EventStream, frames
from millrace.domain import events
from millrace.domain.events import LogEntry
from millrace.protocols.native.encoding import NativeEncoder
from millrace.stores.event_log import encode


async def no_request() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def bodies(stream: EventStream) -> list[bytes]:
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])

    await stream({"type": "http"}, no_request, send)
    return sent


async def of(*batches: list[LogEntry]) -> AsyncIterator[list[LogEntry]]:
    for batch in batches:
        yield batch


STEPS = NativeEncoder("steps", run_id="run_1")
TOKEN = encode(1, events.token("a"))
DONE = encode(2, events.done("m", {}, None, "stop", 1))


async def test_batch_is_one_write_and_the_end_is_empty() -> None:
    sent = await bodies(EventStream(frames(of([TOKEN, DONE]), STEPS)))
    assert len(sent) == 2
    assert sent[0].startswith(b"id: run_1.1\ndata: ")
    assert sent[0].endswith(b"\n\n")
    assert sent[1] == b""


async def test_stream_that_ends_before_its_run_asks_the_client_to_come_back() -> None:
    sent = await bodies(EventStream(frames(of([TOKEN]), STEPS)))
    assert sent[-2:] == [b"retry: 1000\n\n", b""]


async def test_silence_is_filled_with_heartbeats_and_the_source_is_not_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    beats = asyncio.Event()
    count = 0

    async def slow() -> AsyncIterator[list[LogEntry]]:
        await beats.wait()  # three heartbeats later
        yield [TOKEN, DONE]

    sent: list[bytes] = []

    async def send(message: Any) -> None:
        nonlocal count
        sent.append(message.get("body", b""))
        count += sent[-1] == b'data: {"type":"heartbeat"}\n\n'
        if count == 3:
            beats.set()

    await EventStream(frames(slow(), STEPS))({"type": "http"}, no_request, send)
    assert count >= 3
    assert b"token" in sent[-2]


async def test_client_that_leaves_is_no_error_and_the_end_is_awaited() -> None:
    steps: list[str] = []

    async def over() -> None:
        steps.append("over")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    stream = EventStream(
        frames(of([TOKEN], [DONE]), STEPS), on_end=over, on_disconnect=lambda: steps.append("gone")
    )
    await stream({"type": "http"}, no_request, send)
    assert steps == ["gone", "over"]


async def test_hidden_events_send_nothing() -> None:
    hidden = encode(1, events.thinking("x"))
    assert await bodies(
        EventStream(frames(of([hidden], [DONE]), NativeEncoder("answer", run_id="run_1")))
    ) == [
        b'id: run_1.2\ndata: {"type":"done","messageId":"m","usage":{},"cost":null,"finishReason":"stop",'
        b'"durationMs":1}\n\n',
        b"",
    ]
