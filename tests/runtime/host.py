"""A Lambda Runtime API for tests, which hands out invocations and records what the runtime sends, in
order."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import h11

NULS = b"\0" * 8
READ_SIZE = 64 * 1024
FAR_MS = 60_000


@dataclass
class Call:
    """One invocation and what the runtime answered; `chunks` are HTTP chunks, `raw` the last bytes read."""

    event: bytes
    headers: dict[str, str]
    keep: bool = True
    path: str = ""
    sent_headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    raw: bytes = b""
    size: int = 0
    trailers: dict[str, str] = field(default_factory=dict)
    answers: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    # Cleared: the host stops reading this response.
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    cut_after: int | None = None
    # Answer at the first bytes, and go on reading.
    answer_early: bool = False
    status: int = 202

    @property
    def request_id(self) -> str:
        return self.headers["Lambda-Runtime-Aws-Request-Id"]

    @property
    def streamed(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def prelude(self) -> dict[str, Any]:
        head, separator, _ = self.streamed.partition(NULS)
        assert separator == NULS
        prelude: dict[str, Any] = json.loads(head)
        return prelude

    @property
    def body(self) -> bytes:
        return self.streamed.partition(NULS)[2]

    @property
    def error(self) -> dict[str, Any]:
        """The error object that was posted to /error."""
        assert self.path.endswith("/error"), self.path
        error: dict[str, Any] = json.loads(self.streamed)
        return error

    async def seen(self, text: bytes) -> None:
        """Wait until `text` has arrived."""
        async with self.changed:
            await self.changed.wait_for(lambda: text in self.streamed)

    async def done(self) -> "Call":
        """Wait for the end of the answer."""
        await asyncio.wait_for(self.ended.wait(), 30)
        return self

    async def add(self, data: bytes, starts: bool) -> None:
        self.size += len(data)
        if self.keep:
            if starts or not self.chunks:
                self.chunks.append(b"")
            self.chunks[-1] += data
        async with self.changed:
            self.changed.notify_all()


class Host:
    """Listens on a free port of 127.0.0.1. `reports` holds init and restore errors."""

    def __init__(self) -> None:
        self.address = ""
        self.calls: dict[str, Call] = {}
        self.reports: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.reported = asyncio.Event()
        self.restores = 0
        self.restored = asyncio.Event()
        self.waiting = 0
        self.log: list[str] = []
        self._asked = asyncio.Condition()
        self._queue: asyncio.Queue[Call] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator["Host"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    def invoke(
        self, event: object = None, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Call:
        """Queue an invocation; `options` are fields of `Call`."""
        identity = str(uuid.uuid4())
        fields = {
            "Lambda-Runtime-Aws-Request-Id": identity,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + FAR_MS),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:f",
            **(headers or {}),
        }
        raw = (
            event
            if isinstance(event, bytes)
            else json.dumps(url_event() if event is None else event).encode()
        )
        call = Call(raw, fields, **options)
        call.reading.set()
        self.calls[identity] = call
        self._queue.put_nowait(call)
        return call

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await Channel(self, reader, writer).serve()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # The runtime hung up, or the test is over.
        finally:
            writer.transport.abort()

    async def asked(self, request: str) -> None:
        """Wait until the runtime has sent `request` (method and path)."""
        async with self._asked:
            await self._asked.wait_for(lambda: request in self.log)

    async def record(self, request: str) -> None:
        self.log.append(request)
        async with self._asked:
            self._asked.notify_all()

    async def receive_call(self) -> Call:
        self.waiting += 1
        try:
            return await self._queue.get()
        finally:
            self.waiting -= 1


class Channel:
    """One connection of the runtime."""

    def __init__(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host, self._reader, self._writer = host, reader, writer
        self._http = h11.Connection(h11.SERVER)
        self._raw = b""

    async def serve(self) -> None:
        while True:
            request = await self._event(None)
            assert isinstance(request, h11.Request), request
            await self._route(request)
            if self._http.our_state is h11.MUST_CLOSE:
                return
            self._http.start_next_cycle()

    async def _route(self, request: h11.Request) -> None:
        path = request.target.decode()
        await self._host.record(f"{request.method.decode()} {path}")
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        call = self._host.calls.get(path.split("/")[-2])
        if call is not None:
            await self._answer(call, path, headers)
        elif path.endswith("/invocation/next"):
            assert isinstance(await self._event(None), h11.EndOfMessage)
            await self._next()
        elif path.endswith("/restore/next"):
            assert isinstance(await self._event(None), h11.EndOfMessage)
            self._host.restores += 1
            await self._host.restored.wait()
            await self._reply(200)
        else:
            await self._report(path, headers)

    async def _next(self) -> None:
        call = asyncio.create_task(self._host.receive_call())
        hung_up = asyncio.create_task(self._reader.read(1))
        await asyncio.wait([call, hung_up], return_when=asyncio.FIRST_COMPLETED)
        hung_up.cancel()
        await asyncio.gather(hung_up, return_exceptions=True)
        if not call.done():
            call.cancel()
            raise EOFError
        invocation = await call
        await self._reply(200, invocation.headers, invocation.event)

    async def _answer(self, call: Call, path: str, headers: dict[str, str]) -> None:
        call.answers += 1
        call.path, call.sent_headers = path, headers
        while not isinstance(event := await self._event(call), h11.EndOfMessage):
            assert isinstance(event, h11.Data)
            await call.add(bytes(event.data), event.chunk_start)
            if call.answer_early:
                call.answer_early = False
                self._writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            if call.cut_after is not None and call.size >= call.cut_after:
                call.ended.set()
                raise EOFError
        call.trailers = {name.decode().lower(): value.decode() for name, value in event.headers}
        call.raw = self._raw
        await self._reply(call.status)
        call.ended.set()

    async def _report(self, path: str, headers: dict[str, str]) -> None:
        body = b""
        while isinstance(event := await self._event(None), h11.Data):
            body += bytes(event.data)
        self._host.reports.append((path, headers, json.loads(body)))
        await self._reply(202)
        self._host.reported.set()

    async def _event(self, call: Call | None) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if call is not None:
                await call.reading.wait()
            data = await self._reader.read(READ_SIZE)
            self._raw = (self._raw + data)[-READ_SIZE:]
            if not data:
                if call is not None:
                    call.ended.set()
                raise EOFError
            self._http.receive_data(data)
        return event

    async def _reply(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        fields = [*(headers or {}).items(), ("Content-Length", str(len(body)))]
        for event in (
            h11.Response(status_code=status, headers=fields),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()


def url_event(path: str = "/", *, method: str = "GET", query: str = "", **fields: Any) -> dict[str, Any]:
    """A function URL event (payload format 2.0)."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"Host": "f.lambda-url.eu-west-1.on.aws", "X-Forwarded-Port": "443"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.7"}},
        "isBase64Encoded": False,
        **fields,
    }
