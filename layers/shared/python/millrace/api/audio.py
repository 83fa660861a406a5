"""An audio response, sent as it is generated. It stops when the listener leaves, and breaks off if it
fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.types import Receive, Scope, Send

from millrace.errors import MillraceError


class AudioInterrupted(Exception):
    """Audio that failed after its first byte. The streaming runtime turns this into an error trailer, and
    uvicorn closes the connection, so that no player takes the audio for complete."""


class _Disconnected(Exception):
    """The host accepts no more: the listener has left."""


class AudioStream:
    """An ASGI response. An error before the first byte is raised as it is and becomes an HTTP error, unless
    the headers are sent `at_once`."""

    def __init__(
        self,
        audio: AsyncGenerator[bytes, None],
        media_type: str,
        *,
        headers: dict[str, str] | None = None,
        at_once: bool = False,
    ) -> None:
        self._audio = audio
        self._at_once = at_once
        named = {
            "content-type": media_type,
            "cache-control": "no-store, no-transform",
            "x-accel-buffering": "no",
        } | (headers or {})
        self._headers = [(name.encode(), value.encode()) for name, value in named.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; stop when the client disconnects."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            # Wait, so that the speech engine is free again when the response ends.
            await asyncio.wait((sending, leaving))
        if not sending.cancelled():
            with suppress(_Disconnected):
                sending.result()

    async def _send(self, send: Send) -> None:
        async with aclosing(self._audio):
            first = b"" if self._at_once else await anext(self._audio, b"")
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await _put(send, first)
            try:
                async for part in self._audio:
                    await _put(send, part)
            except MillraceError as error:
                raise AudioInterrupted(error.message) from error
        await _put(send, b"", more=False)


async def _put(send: Send, part: bytes, *, more: bool = True) -> None:
    try:
        await send({"type": "http.response.body", "body": part, "more_body": more})
    except OSError as error:  # ASGI's way of saying that nobody reads
        raise _Disconnected from error


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
