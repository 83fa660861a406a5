"""The ASGI side of one response: messages of the app in, prelude and body out."""

import asyncio
import json
import re
from collections.abc import Iterable

from streaming_runtime.asgi import Message
from streaming_runtime.errors import ClientDisconnected, ErrorReport, ResponseError
from streaming_runtime.runtime_api import Invocation, ResponseStream, RuntimeAPI

PRELUDE_END = b"\0" * 8
# Function URLs hang on a response without any body byte, so an empty one becomes a newline.
EMPTY_BODY = b"\n"
BODYLESS = (204, 304)
# They describe one connection between app and server; the host has its own.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BAD_VALUE = re.compile(r"[\r\n\0]")


class Prelude:
    """Status, headers and cookies of one response. Raises ResponseError for what HTTP cannot carry."""

    def __init__(self, status: int, headers: Iterable[Iterable[bytes]]) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ResponseError(f"a response needs a status from 200 to 599, not {status!r}")
        self.status = status
        self.headers: dict[str, str] = {}
        self.cookies: list[str] = []
        for name, value in headers:
            self._add(name.decode("latin-1").lower(), value.decode("latin-1"))

    def _add(self, name: str, value: str) -> None:
        if not NAME.fullmatch(name) or BAD_VALUE.search(value):
            raise ResponseError(f"the response header {name!r} holds characters that HTTP forbids")
        if name == "set-cookie":
            self.cookies.append(value)
        elif name not in HOP_BY_HOP:
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def encode(self) -> bytes:
        """Lambda's metadata JSON (ASCII, so free of NUL) with the eight NUL bytes that end it."""
        fields = {"statusCode": self.status, "headers": self.headers, "cookies": self.cookies}
        return json.dumps(fields, separators=(",", ":")).encode("ascii") + PRELUDE_END


class Response:
    """One response as far as the app has sent it; `send` is its ASGI callable.

    Nothing leaves before the first body message (ASGI allows it, AWS's Node runtime does the same), so an
    error before that still becomes a clean 502. An empty first message with `more_body` flushes the headers.
    `over` is set when the response is complete or nobody reads it any more.
    """

    def __init__(self, api: RuntimeAPI, invocation: Invocation) -> None:
        self._api = api
        self._invocation = invocation
        self._prelude: Prelude | None = None
        self._empty = True
        # An app may send from two tasks, a heartbeat beside the answer: the response begins once.
        self._beginning = asyncio.Lock()
        self.stream: ResponseStream | None = None
        self.head_only = False
        self.complete = False
        self.over = asyncio.Event()

    async def send(self, message: Message) -> None:
        """ASGI `send`; raises ClientDisconnected when nobody reads, ResponseError out of turn."""
        kind = message["type"]
        if kind == "http.response.body":
            await self._body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            self._start(message)
        else:
            raise ResponseError(f"the message type {kind!r} is not part of an HTTP response")

    def _start(self, message: Message) -> None:
        if self._prelude is not None:
            raise ResponseError("a second `http.response.start` was sent")
        prelude = Prelude(message["status"], message.get("headers", ()))
        self.head_only = self.head_only or prelude.status in BODYLESS
        self._prelude = prelude

    async def _body(self, body: bytes | bytearray | memoryview, more: bool) -> None:
        if self.complete:
            raise ResponseError("a body was sent after the response was complete")
        if type(body) is not bytes:
            body = memoryview(body).tobytes()
        if self.head_only:
            body = b""
        stream = self.stream or await self._begin(empty=self.head_only or not (body or more))
        await stream.write(body)
        self._empty = self._empty and not body
        if not more:
            await self._finish(stream)

    async def _begin(self, empty: bool) -> ResponseStream:
        if self._prelude is None:
            raise ResponseError("`http.response.body` was sent before `http.response.start`")
        if empty:
            # The length would be wrong: a newline is sent in place of the body.
            self._prelude.headers.pop("content-length", None)
        async with self._beginning:
            if self.stream is None:
                self.stream = await self._api.respond(self._invocation, self._prelude.encode(), self.over)
        return self.stream

    async def _finish(self, stream: ResponseStream) -> None:
        if self._empty:
            await stream.write(EMPTY_BODY)
        # Set before the await: an error that comes meanwhile must not send trailers behind the end.
        self.complete = True
        await stream.end()
        self.over.set()

    def missing(self) -> Exception | None:
        """Return the error of an app that returns before its response is complete; None for a complete
        response."""
        if self.complete:
            return None
        if self.stream is None:
            return ResponseError("the app returned without a response")
        if self.over.is_set():
            return ClientDisconnected("the host has ended the response")
        return ResponseError("the app returned before the last `http.response.body` message")

    async def fail(self, error: ErrorReport) -> None:
        """Tell the host of a failure: an error before the first byte, trailers until the end."""
        if self.stream is None:
            await self._api.fail(self._invocation, error)
        elif not self.complete:
            self.complete = True
            await self.stream.end(error)
