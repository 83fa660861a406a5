"""A proxy that cuts event streams: each connection is reset after a number of events."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_LONGEST_HEAD = 64 * 1024


class CuttingProxy:
    """Forwards to `target`. `plans` says by path how many events the next connections may pass, one number
    each; those without a plan pass everything. `retry_ms` tells an EventSource when to connect again, which
    by itself waits for seconds."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self.plans: dict[str, list[int]] = {}
        self.cuts = 0
        self.retry_ms = 0
        self.url = ""

    async def serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            await _close(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode().partition("?")[0]
        plan = self.plans.get(path)
        room = plan.pop(0) if plan else None
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        try:
            # One request for each connection, so that a cut is of one stream.
            server_writer.write(head[:-2] + b"Connection: close\r\n\r\n")
            await self._pass(server_reader, writer, room)
        finally:
            await _close(server_writer)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: int | None
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(head + self._advice(head.lower()))
        rest = b""
        while read := await reader.read(_LONGEST_HEAD):
            *frames, rest = (rest + read).split(b"\n\n")
            for frame in frames:
                if room is not None and _is_event(frame):
                    if room == 0:
                        self.cuts += 1
                        writer.transport.abort()
                        return
                    room -= 1
                writer.write(frame + b"\n\n")
            await writer.drain()
        writer.write(rest)
        await writer.drain()

    def _advice(self, head: bytes) -> bytes:
        """The chunk that tells when to connect again."""
        if not self.retry_ms or b"text/event-stream" not in head or b"transfer-encoding: chunked" not in head:
            return b""
        line = b"retry: %d\n\n" % self.retry_ms
        return b"%x\r\n%s\r\n" % (len(line), line)


def _is_event(frame: bytes) -> bool:
    return b"data: " in frame and b'"heartbeat"' not in frame


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextmanager
def cutting(target: str) -> Iterator[CuttingProxy]:
    """A proxy on a free port of 127.0.0.1, in a thread of its own."""
    proxy, ready = CuttingProxy(target), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
        assert not thread.is_alive()
