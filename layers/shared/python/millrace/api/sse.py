"""A streamed response: batches of events as Server-Sent Events, with a heartbeat whenever five seconds pass
in which nothing else was sent. Plain ASGI: one message per batch, nothing between the run and the socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.types import Receive, Scope, Send

from millrace.domain.events import Detail, Logged
from millrace.protocols.native.encoding import HEARTBEAT, encode

HEARTBEAT_SECONDS = 5.0
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


class EventStream:
    """An ASGI response. The stream ends with its source; `on_end` is awaited after the last event has been
    sent and before the response ends (on Lambda the process is frozen after that), `on_gone` is called in
    any case once nobody reads any more."""

    def __init__(
        self,
        batches: AsyncIterator[list[Logged]],
        detail: Detail,
        *,
        named: bool = False,
        headers: dict[str, str] | None = None,
        on_end: Callable[[], Awaitable[None]] | None = None,
        on_gone: Callable[[], None] | None = None,
    ) -> None:
        self._batches = batches
        self._detail = detail
        self._named = named
        self._headers = HEADERS | (headers or {})
        self._on_end = on_end
        self._on_gone = on_gone
        self._last = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        clock = asyncio.get_running_loop().time
        self._last = clock()
        heart = asyncio.create_task(self._beat(send, clock))
        try:
            async for batch in self._batches:
                body = encode(batch, self._detail, named=self._named)
                if body:
                    self._last = clock()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            if self._on_end:
                await self._on_end()
        finally:
            heart.cancel()
            if self._on_gone:
                self._on_gone()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _beat(self, send: Send, clock: Callable[[], float]) -> None:
        while True:
            left = self._last + HEARTBEAT_SECONDS - clock()
            if left <= 0:
                self._last = clock()
                await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
            else:
                await asyncio.sleep(left)
