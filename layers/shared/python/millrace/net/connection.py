"""One connection to a server, for one request at a time."""

import asyncio
import select
from collections.abc import AsyncIterable
from typing import cast

import httpx

from millrace.net.http1 import AnswerReader, Head, Headers, Malformed, chunk, framing_of, write_head

MOST_BUFFERED = 256 * 1024
"""The unread bytes of an answer above which reading from the server is paused."""


class Connection(asyncio.Protocol):
    """Reads into a buffer as bytes arrive and returns what is there, so that a chunk costs no system call,
    task or timer of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, None)
        self._reader: AnswerReader | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self.idle_since = 0.0

    # --- the transport's side ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._readable = select.poll()  # select() refuses file descriptors from 1,024 on
        self._readable.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reader is None or self._reader.done:
            return self.abort()  # no request was sent, and this must not pass for the next answer
        parts = self._reader.feed(data)
        self._parts += parts
        self._size += sum(map(len, parts))
        if self._size > MOST_BUFFERED and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        if self._reader.wrong is not None:
            self._fail(httpx.RemoteProtocolError(str(self._reader.wrong)))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        if self._reader is not None and not self._reader.done and self._error is None:
            self._error = _broken(self._reader, exc)
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the client's side -------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """True if an idle connection can be used. A readable one is closed by the server, or was while this
        process was frozen."""
        return (
            self._loop is asyncio.get_running_loop()
            and not self._transport.is_closing()
            and not self._readable.poll(0)
        )

    @property
    def reusable(self) -> bool:
        """True once an answer was read to its end and the server keeps the connection open."""
        reader = self._reader
        return reader is not None and reader.reusable and not self._parts and not self._transport.is_closing()

    async def ask(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: AsyncIterable[bytes],
        write_timeout: float | None,
        read_timeout: float | None,
    ) -> Head:
        """Send a request and return the head of its answer. Raises httpx's errors."""
        self._reader = reader = AnswerReader(method)
        try:
            await self._send(write_head(method, target, headers), headers, body, write_timeout)
        except Malformed as error:
            raise httpx.LocalProtocolError(str(error)) from error
        while reader.head is None:
            await self._wait_for_bytes(read_timeout)
        return reader.head

    async def read(self, timeout: float | None) -> bytes:  # noqa: ASYNC109 (of each wait, see `_wait_for_bytes`)
        """Return the bytes of the answer's body that have arrived; empty at its end. Raises httpx's
        errors."""
        while not self._parts:
            if self._reader is None or self._reader.done:
                return b""
            await self._wait_for_bytes(timeout)
        parts, self._parts, self._size = self._parts, [], 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def rest(self) -> None:
        """Get ready for the next request."""
        self._stop_timer()
        self._reader = None
        self.idle_since = self._loop.time()

    def abort(self) -> None:
        """Close at once, whatever is in progress."""
        self._stop_timer()
        self._transport.abort()

    async def _send(
        self, head: bytes, headers: Headers, body: AsyncIterable[bytes], seconds: float | None
    ) -> None:
        framing, length = framing_of(headers)
        written = 0
        async for part in body:
            written += len(part)
            if (framing == "none" and part) or (framing == "length" and written > length):
                raise Malformed("a body longer than its headers say")
            await self._write(head + (chunk(part) if framing == "chunked" else part), seconds)
            head = b""
        if framing == "length" and written < length:
            raise Malformed("a body shorter than its headers say")
        if rest := head + (b"0\r\n\r\n" if framing == "chunked" else b""):
            await self._write(rest, seconds)

    async def _write(self, data: bytes, seconds: float | None) -> None:
        # A server may answer and close before it has read everything; its answer is then read.
        if not self._transport.is_closing():
            self._transport.write(data)
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._writable.wait()
            except TimeoutError:
                raise httpx.WriteTimeout("the server does not accept the request") from None

    async def _wait_for_bytes(self, seconds: float | None) -> None:
        """Wait until something happens."""
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        if seconds is not None:
            self._since = self._loop.time()
            # One timer for many waits, since each chunk would otherwise start and stop one.
            if self._timer is None:
                self._timer = self._loop.call_later(seconds, self._check_time, seconds)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _check_time(self, seconds: float) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._since + seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_time, seconds)
        else:
            self._fail(httpx.ReadTimeout(f"no bytes for {seconds:g} s"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _broken(reader: AnswerReader, lost: Exception | None) -> Exception | None:
    """Return the error of an answer that ended with its connection; None if that is its proper end."""
    if lost is not None:
        return httpx.ReadError(str(lost) or type(lost).__name__)
    try:
        reader.end()
    except Malformed as error:
        return httpx.RemoteProtocolError(str(error))
    return None
