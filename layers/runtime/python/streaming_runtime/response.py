"""The ASGI side of a response: messages from the app in, prelude and body out."""

import asyncio

from streaming_runtime.asgi import Message
from streaming_runtime.buffered import BufferedResponse
from streaming_runtime.errors import ClientDisconnected, ErrorReport, ResponseError
from streaming_runtime.prelude import Prelude
from streaming_runtime.runtime_api import Invocation, ResponseStream, RuntimeAPI
from streaming_runtime.sources import FUNCTION_URL

# Function URLs hang if a response has no body, so an empty body becomes a newline.
EMPTY_BODY = b"\n"
BODYLESS = (204, 304)


class Response:
    """A response while the app sends it. `send` is its ASGI callable.

    Nothing is sent before the first body message (ASGI allows this, and AWS's Node runtime does the same), so
    an earlier error still becomes a clean 502. An empty first message with `more_body` flushes the headers.
    `over` is set when the response is complete or nobody reads it anymore.
    """

    def __init__(self, api: RuntimeAPI, invocation: Invocation) -> None:
        self._api = api
        self._invocation = invocation
        self._prelude: Prelude | None = None
        self._empty = True
        # An app may send from two tasks, for example a heartbeat and the answer, but the response starts
        # once.
        self._beginning = asyncio.Lock()
        # The length that the app declared, and the bytes sent so far if it declared one.
        self._length: int | None = None
        self._sent = 0
        self.stream: ResponseStream | BufferedResponse | None = None
        # Attributes of the request, set before the app is called.
        self.source = FUNCTION_URL
        self.streamed = True
        self.head_only = False
        self.complete = False
        self.over = asyncio.Event()

    async def send(self, message: Message) -> None:
        """ASGI `send`.

        Raises ClientDisconnected if nobody reads, and ResponseError for a message out of order.
        """
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
        self._prelude, self._length = prelude, prelude.length

    async def _body(self, body: bytes | bytearray | memoryview, more: bool) -> None:
        if self.complete:
            raise ResponseError("a body was sent after the response was complete")
        if type(body) is not bytes:
            body = memoryview(body).tobytes()
        if self.head_only:
            body = b""
        elif self._length is not None:
            self._count(self._length, len(body), more)
        stream = self.stream or await self._begin(empty=self.head_only or not (body or more))
        await stream.write(body)
        self._empty = self._empty and not body
        if not more:
            await self._finish(stream)

    def _count(self, length: int, size: int, more: bool) -> None:
        """Compare the sent bytes with the Content-Length.

        If they differed, a client would hang or read too little.
        """
        self._sent += size
        if self._sent > length or (self._sent < length and not more):
            raise ResponseError(f"the app declared a Content-Length of {length} and sent {self._sent} bytes")

    async def _begin(self, empty: bool) -> ResponseStream | BufferedResponse:
        if self._prelude is None:
            raise ResponseError("`http.response.body` was sent before `http.response.start`")
        if empty:
            # The length would be wrong, because a newline is sent instead of the body.
            self._prelude.drop_length()
        async with self._beginning:
            if self.stream is None:
                self.stream = await self._open(self._prelude)
        return self.stream

    async def _open(self, prelude: Prelude) -> ResponseStream | BufferedResponse:
        if not self.streamed:
            return BufferedResponse(self._api, self._invocation, prelude, self.source)
        encoded = prelude.encode(self.source.multi_value)
        return await self._api.respond(self._invocation, encoded, self.over)

    async def _finish(self, stream: ResponseStream | BufferedResponse) -> None:
        if self._empty and self.streamed:
            await stream.write(EMPTY_BODY)
        if isinstance(stream, BufferedResponse):
            stream.seal()
        # Set before the await: an error in the meantime must not send trailers after the end.
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
        """Report a failure to the host: as an error before the first byte, as trailers afterwards."""
        if self.stream is None:
            await self._api.fail(self._invocation, error)
        elif not self.complete:
            self.complete = True
            await self.stream.end(error)
