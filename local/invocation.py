"""One invocation: the event for a function, and its response, chunk by chunk.

The Runtime API writes (`begin`, `write`, `finish`, `fail`), and the function URL reads (`response`,
`chunks`). A slow reader slows the function down. After a reader disconnects (`abandon`) the rest is
discarded, because a function on AWS does not notice that its client has disconnected.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

_BUFFERED_BYTES = 64 * 1024


class FunctionFailed(Exception):
    """The function did not answer, or not completely. `kind` is Lambda's errorType, the text errorMessage."""

    def __init__(self, kind: str, message: str, trace: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace


@dataclass(frozen=True)
class Response:
    """The kind of a function's response: `streamed` chunk by chunk, or one JSON value."""

    streamed: bool
    content_type: str


@dataclass
class Invocation:
    """An invocation.

    `event` is JSON; `deadline` (Unix seconds) is set when the function receives the event.
    """

    event: bytes
    arn: str
    timeout: float
    request_id: str = field(default_factory=lambda: str(uuid4()))
    deadline: float = 0.0
    bytes_out: int = 0
    memory: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._abandoned = False
        self.failure: FunctionFailed | None = None
        self.ended = asyncio.Event()

    # --- the function's side -------------------------------------------------------------------

    def start_clock(self) -> None:
        """Start the timeout, because the function has received the event."""
        self.deadline = time.time() + self.timeout

    def begin(self, response: Response) -> None:
        if not self._response.done():
            self._response.set_result(response)

    async def write(self, chunk: bytes) -> None:
        """Pass on a chunk, waiting while the reader is slow."""
        self.bytes_out += len(chunk)
        while self._waiting_bytes >= _BUFFERED_BYTES and not self._abandoned and not self.ended.is_set():
            self._room.clear()
            await self._room.wait()
        if not self._abandoned:
            self._chunks.append(chunk)
            self._waiting_bytes += len(chunk)
            self._changed.set()

    def finish(self) -> None:
        self._end(None)

    def fail(self, failure: FunctionFailed) -> None:
        """End the invocation. Only the first end counts."""
        if not self._response.done():
            self._response.set_exception(failure)
            self._response.exception()  # marked as seen, because nobody may be reading any more
        self._end(failure)

    def _end(self, failure: FunctionFailed | None) -> None:
        if not self.ended.is_set():
            self.failure = failure
            self.ended.set()
            self._changed.set()
            self._room.set()

    @property
    def begun(self) -> bool:
        """True once a response has begun (or has ended)."""
        return self._response.done()

    # --- the client's side ---------------------------------------------------------------------

    async def response(self) -> Response:
        """Wait for the function's answer. Raises `FunctionFailed`."""
        # A canceled reader must not cancel the future, which the function's side still sets.
        return await asyncio.shield(self._response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises `FunctionFailed` after the last chunk if the function failed.
        """
        while True:
            while self._chunks:
                yield self._next_chunk()
            if self.ended.is_set():
                break
            self._changed.clear()
            await self._changed.wait()
        if self.failure:
            raise self.failure

    def abandon(self) -> None:
        """Discard everything from now on, because the reader has disconnected."""
        self._abandoned = True
        self._chunks.clear()
        self._waiting_bytes = 0
        self._room.set()

    def _next_chunk(self) -> bytes:
        chunk = self._chunks.popleft()
        self._waiting_bytes -= len(chunk)
        self._room.set()
        return chunk
