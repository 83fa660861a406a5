"""A function URL as an ASGI app: events, streamed or buffered responses, CORS, limits and errors.

A client's disconnection is not noticed: the function runs to its end, as on AWS. A function that dies while
streaming closes the client's connection without the final chunk, so that the client can detect it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from local import cors
from local.deploy import Cors, FunctionUrl
from local.environments import Environments, Throttled
from local.invocation import FunctionFailed, Invocation
from local.payload import (
    EVENT_LIMIT,
    PRELUDE_END,
    PRELUDE_LIMIT,
    Head,
    MalformedResponse,
    Request,
    build_event,
    parse_prelude,
    parse_result,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


_BODYLESS = (204, 304)
Failure = FunctionFailed | MalformedResponse


@dataclass(frozen=True)
class Served:
    """A request that a function has served, for the log. Times in seconds, memory in MB."""

    function: str
    request_id: str
    method: str
    path: str
    status: int
    first_byte: float
    total: float
    memory: int
    failure: Failure | None


class FunctionUrlApp:
    """Serves one function at any path."""

    def __init__(
        self, url: FunctionUrl, environments: Environments, on_served: Callable[[Served], None]
    ) -> None:
        self._url = url
        self._environments = environments
        self._on_served = on_served
        self._logging: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = _Reply(send)
        body = await _read_body(receive)
        if body is None:
            await reply.error(413, "Request must be smaller than 6291456 bytes.")
            return
        request = _request(scope, body)
        if self._url.cors and cors.is_preflight(request):
            await reply.whole(cors.preflight(self._url.cors, request), b"")
            return
        await self._invoke(request, reply)

    async def _invoke(self, request: Request, reply: "_Reply") -> None:
        event = build_event(request, self._url.host)
        if len(event) > EVENT_LIMIT:
            await reply.error(413, "Request must be smaller than 6291456 bytes.")
            return
        function = self._environments.function
        invocation = Invocation(event, function.arn, function.timeout)
        reply.prepare(request, self._url.cors, invocation.request_id)
        running = self._environments.invoke(invocation)
        failure = await _relay(invocation, self._url.streamed, reply)
        total = time.monotonic() - invocation.started
        logging = asyncio.create_task(self._log(running, total, invocation, request, reply, failure))
        self._logging.add(logging)
        logging.add_done_callback(self._logging.discard)

    async def _log(
        self,
        running: asyncio.Task[None],
        total: float,
        invocation: Invocation,
        request: Request,
        reply: "_Reply",
        failure: Failure | None,
    ) -> None:
        """Wait for the environment to be free again, because only then its memory is known."""
        await asyncio.wait({running})
        name = self._environments.function.logical_id
        self._on_served(
            Served(
                function=name,
                request_id=invocation.request_id,
                method=request.method,
                path=request.path,
                status=reply.status,
                first_byte=reply.first_byte,
                total=total,
                memory=invocation.memory,
                failure=failure,
            )
        )


async def _relay(invocation: Invocation, streamed: bool, reply: "_Reply") -> Failure | None:
    """Pass the function's response to the client, whatever happens to either. Return the failure, if any."""
    try:
        response = await invocation.response()
        if streamed and response.streamed:
            await _stream(invocation, reply)
        else:
            await _buffer(invocation, response.streamed, reply)
        return None
    except Throttled as failure:
        await reply.error(429, "Rate Exceeded.", {"x-amzn-errortype": "TooManyRequestsException"})
        return failure
    except FunctionFailed as failure:
        await reply.broken(504 if failure.kind == "Sandbox.Timedout" else 502)
        return failure
    except MalformedResponse as failure:
        invocation.abandon()
        await reply.broken(502)
        return failure


async def _stream(invocation: Invocation, reply: "_Reply") -> None:
    chunks = invocation.chunks()
    head, rest = await _read_prelude(chunks)
    await reply.start(head)
    if rest:
        await reply.chunk(rest)
    async for chunk in chunks:
        await reply.chunk(chunk)
    await reply.end()


async def _read_prelude(chunks: AsyncIterator[bytes]) -> tuple[Head, bytes]:
    """Read until the eight NUL bytes. Return the head, and the beginning of the body read with it."""
    begun = b""
    async for chunk in chunks:
        begun += chunk
        prelude, end, rest = begun.partition(PRELUDE_END)
        if end:
            return parse_prelude(prelude), rest
        if len(begun) > PRELUDE_LIMIT:
            break
    raise MalformedResponse("The streamed response has no prelude (JSON, then eight NUL bytes).")


async def _buffer(invocation: Invocation, framed: bool, reply: "_Reply") -> None:
    """Send a whole response. A streaming function behind a buffered URL returns prelude and body together."""
    result = b"".join([chunk async for chunk in invocation.chunks()])
    if framed:
        prelude, _, body = result.partition(PRELUDE_END)
        await reply.whole(parse_prelude(prelude), body)
    else:
        await reply.whole(*parse_result(result))


class _Reply:
    """The response to one client. Chunks are sent immediately; `broken` ends a stream that has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = time.monotonic()
        self._request: Request | None = None
        self._cors: Cors | None = None
        self._request_id = str(uuid4())
        self.status = 0
        self.first_byte = 0.0

    def prepare(self, request: Request, configuration: Cors | None, request_id: str) -> None:
        self._request, self._cors, self._request_id = request, configuration, request_id

    async def start(self, head: Head) -> None:
        if self._cors and self._request:
            head = cors.with_cors(head, self._cors, self._request)
        self.status, self.first_byte = head.status, time.monotonic() - self._begun
        headers = [*head.headers, ("x-amzn-requestid", self._request_id)]
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": head.status, "headers": encoded})

    async def chunk(self, chunk: bytes) -> None:
        if self.status in _BODYLESS:
            return
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def whole(self, head: Head, body: bytes) -> None:
        if head.status in _BODYLESS:
            body = b""
        await self.start(Head(head.status, [*head.headers, ("content-length", str(len(body)))]))
        await self._send({"type": "http.response.body", "body": body})

    async def error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"Message": message}).encode()
        await self.whole(Head(status, [("content-type", "application/json"), *(headers or {}).items()]), body)

    async def broken(self, status: int) -> None:
        """Send an error if nothing has been sent. Otherwise the server closes the connection."""
        if not self.status:
            await self.error(status, "Internal Server Error")


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, or None if it exceeds the limit. It ends if the client disconnects while sending."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > EVENT_LIMIT:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


def _request(scope: Scope, body: bytes) -> Request:
    client = scope.get("client") or ("127.0.0.1", 0)
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    forwarded = [
        ("x-forwarded-for", client[0]),
        ("x-forwarded-proto", scope["scheme"]),
        ("x-forwarded-port", str((scope.get("server") or ("", 80))[1])),
    ]
    kept = [(name, value) for name, value in headers if not name.startswith("x-forwarded-")]
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    return Request(
        method=scope["method"],
        path=raw_path.decode("latin-1").partition("?")[0],
        query=scope["query_string"].decode("latin-1"),
        headers=kept + forwarded,
        body=body,
        source_ip=client[0],
        protocol=f"HTTP/{scope['http_version']}",
    )
