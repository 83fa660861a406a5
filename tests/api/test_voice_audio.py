"""The audio response under the streaming runtime: complete, or visibly incomplete."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from millrace.api.audio import AudioStream
from millrace.errors import ProviderError
from streaming_runtime.asgi import Receive, Scope, Send
from tests.runtime.harness import workers
from tests.runtime.host import Host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with Host().listen() as listening:
        yield listening


async def audio(*parts: bytes | Exception) -> AsyncGenerator[bytes, None]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


async def test_whole_response_ends_without_trailers(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await AudioStream(audio(b"ab", b"cd"), "audio/mpeg")(scope, receive, send)

    async with workers(app, host):
        call = await host.invoke().done()
    assert (call.body, call.trailers) == (b"abcd", {})
    assert call.prelude["headers"]["content-type"] == "audio/mpeg"


async def test_failure_in_mid_stream_becomes_an_error_trailer(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        broken = audio(b"ab", ProviderError("the engine is out"))
        await AudioStream(broken, "audio/mpeg")(scope, receive, send)

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.body == b"ab"
    assert call.trailers["lambda-runtime-function-error-type"] == "Function.AudioInterrupted"


async def test_failure_before_the_first_byte_is_raised_as_it_is(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await AudioStream(audio(ProviderError("the engine is out")), "audio/mpeg")(scope, receive, send)

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.error["errorType"] == "ProviderError"


async def test_listener_who_leaves_is_no_error_and_ends_the_source() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"ab"
        finally:
            closed.set()

    async def receive() -> dict[str, Any]:
        await closed.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            raise ConnectionResetError("nobody reads")

    await AudioStream(endless(), "audio/mpeg")({}, receive, send)
    assert closed.is_set()
