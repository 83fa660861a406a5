"""A server of one run's stream that fails as networks and servers do, over real sockets.

with serving(events) as server:
    server.faults += [Cut(after=3), Refuse(429, retry_after="1"), Silent()]   # one for each next request
    ...
    server.runs       # how many runs were begun
    server.open       # connections that are open now
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

RUN = "run_1"
Numbered = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Cut:
    """The connection breaks behind so many events, in the middle of the next one with `bytes` of it."""

    after: int = 0
    bytes: int = 0
    before_headers: bool = False
    cleanly: bool = False


@dataclass(frozen=True)
class Silent:
    """Nothing more comes behind so many events, and nobody says that the connection is dead."""

    after: int = 0


@dataclass(frozen=True)
class Refuse:
    """An error in the place of an answer."""

    status: int
    code: str = "unavailable"
    retry_after: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Join:
    """The message became a live one of the run at work."""

    content: str


Fault = Cut | Silent | Refuse | Join


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def last_event_id(self) -> str | None:
        return self.headers.get("last-event-id")


class FaultyServer:
    """Every request with a token that is not in `expired` gets the run's events, in one piece or as the next
    fault says."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self.log: list[Numbered] = list(enumerate(events, 1))
        self.faults: deque[Fault] = deque()
        self.expired: set[str] = set()
        self.asked: list[Asked] = []
        self.keys: set[str] = set()
        self.silent = threading.Event()
        self.answer: dict[str, Any] = {}
        self.url = ""
        self._open = 0
        self._changed = threading.Condition()
        self._over: asyncio.Event
        self._loop: asyncio.AbstractEventLoop

    @property
    def runs(self) -> int:
        """The number of runs that were begun: one for each idempotency key."""
        return len(self.keys)

    @property
    def open(self) -> int:
        return self._open

    def wait_until_closed(self) -> None:
        """Wait until no connection is open. Raises `AssertionError`."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == 0, 20), f"{self._open} connections are open"

    async def serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        async with server:
            await self._over.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    def _count(self, change: int) -> None:
        with self._changed:
            self._open += change
            self._changed.notify_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(1)
        try:
            await self._answer(await _request(reader), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._count(-1)

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") in self.expired:
            return await _send(writer, _refusal(Refuse(401, "token_expired")))
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Refuse):
            return await _send(writer, _refusal(fault))
        if isinstance(fault, Join):
            return await _send(writer, _json(202, {"runId": RUN, "content": fault.content}))
        if isinstance(fault, Cut) and fault.before_headers:
            return None
        if asked.method == "POST" and "idempotency-key" in asked.headers:
            self.keys.add(asked.headers["idempotency-key"])
        if "text/event-stream" not in asked.headers["accept"]:
            return await _send(writer, _json(200, self.answer))
        await self._stream(asked, fault, reader, writer)

    async def _stream(
        self, asked: Asked, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        after = int((asked.last_event_id or f"{RUN}.0").rpartition(".")[2])
        left = [_frame(number, event) for number, event in self.log if number > after]
        if asked.last_event_id and not left:
            return await _send(writer, b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await _send(writer, _HEADERS)
        if isinstance(fault, Cut):
            part = left[fault.after][: fault.bytes] if fault.after < len(left) else b""
            await _send(writer, b"".join(left[: fault.after]) + part)
            if fault.cleanly:
                writer.write_eof()
                await reader.read()
            return None
        if isinstance(fault, Silent):
            await _send(writer, b"".join(left[: fault.after]))
            self.silent.set()
            await reader.read()  # until the client gives up
            return None
        await _send(writer, b"retry: 1000\n\n" + b"".join(left))
        writer.write_eof()
        await reader.read()
        return None


_HEADERS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-run-id: run_1\r\nconnection: close\r\n\r\n"
)


def _frame(number: int, event: dict[str, Any]) -> bytes:
    return f"id: {RUN}.{number}\ndata: {json.dumps(event)}\n\n".encode()


def _json(status: int, body: dict[str, Any], headers: str = "") -> bytes:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}"
    return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


def _refusal(fault: Refuse) -> bytes:
    error = {"code": fault.code, "message": "No.", "requestId": "req-1", **fault.details}
    headers = f"retry-after: {fault.retry_after}\r\n" if fault.retry_after else ""
    return _json(fault.status, {"error": error}, headers)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


@contextmanager
def serving(events: Sequence[dict[str, Any]] = ()) -> Iterator[FaultyServer]:
    """A server on a free port of 127.0.0.1. At the end no connection is open."""
    server, ready = FaultyServer(events), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(ready)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
        server.wait_until_closed()
    finally:
        server.end()
        thread.join(10)
