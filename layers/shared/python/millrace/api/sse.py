"""A streamed response: batches of events as Server-Sent Events in the form of any protocol, with a
heartbeat after five seconds without output. Plain ASGI: one message per batch, nothing between the run and
the socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from millrace.domain.events import LogEntry
from millrace.protocols.protocol import Encoder, StreamProtocol
from millrace.protocols.table import NATIVE

HEARTBEAT_SECONDS = 5.0
# Proxies such as nginx buffer a response before they pass it on, and others compress it; both would delay
# tokens.
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


async def frames(
    batches: AsyncIterator[list[LogEntry]], encoder: Encoder, *, first: bytes = b""
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of one stream, beginning with `first`."""
    last: LogEntry | None = None
    try:
        if first:
            yield first
        async for batch in batches:
            last = batch[-1]
            yield encoder.frames(batch)
        yield encoder.end(last)
    finally:
        await close(batches)


async def close(source: AsyncIterator[Any]) -> None:
    """Close a generator that nobody reads any more; other iterators have nothing to close."""
    if isinstance(source, AsyncGenerator):
        await source.aclose()


class EventStream:
    """An ASGI response that ends with its source.

    `on_end` is awaited after the last event was sent and before the response ends, since Lambda freezes the
    process after that. `on_disconnect` is called in any case once nobody reads any more.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        protocol: StreamProtocol = NATIVE,
        headers: dict[str, str] | None = None,
        on_end: Callable[[], Awaitable[None]] | None = None,
        on_disconnect: Callable[[], None] | None = None,
    ) -> None:
        self._frames = frames
        self._heartbeat = protocol.heartbeat
        self._headers = {**HEADERS, **protocol.headers, **(headers or {})}
        self._on_end = on_end
        self._on_disconnect = on_disconnect
        self._last = 0.0
        self._sending: asyncio.Task[None] | None = None
        self._cut = False

    def cut(self) -> None:
        """Send nothing more. The source still runs to its end, and then the response ends."""
        self._cut = True
        if self._sending:
            self._sending.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. A client that disconnects is not an error: the source runs to its end, and only
        then does the response end."""
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        heart: asyncio.Task[None] | None = None
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            heart = asyncio.create_task(self._beat(send))
            # In a separate task, or each batch would wake every middleware from the server down to here.
            self._sending = asyncio.create_task(self._send_all(send))
            await self._sending
            disconnected = False
        except OSError:  # raised by servers, according to ASGI, if the client is gone
            disconnected = True
        except asyncio.CancelledError:
            if not self._cut:
                raise
            disconnected = False
        finally:
            # Before the response ends, since ASGI forbids a heartbeat after the last part of the body.
            if heart:
                heart.cancel()
            await self._leave()
        if self._on_end:
            await self._on_end()
        if not disconnected:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async for body in self._frames:
            if body:
                self._last = asyncio.get_running_loop().time()
                await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _leave(self) -> None:
        """Note that nobody reads any more."""
        if self._on_disconnect:
            self._on_disconnect()
        await close(self._frames)

    async def _beat(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        self._last = self._last or clock()
        while True:
            left = self._last + HEARTBEAT_SECONDS - clock()
            if left > 0:
                await asyncio.sleep(left)
                continue
            self._last = clock()
            try:
                await send({"type": "http.response.body", "body": self._heartbeat, "more_body": True})
            except OSError:
                return  # the client is gone, as the stream itself will notice
