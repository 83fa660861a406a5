"""I/O that blocks, over `httpx.Client`."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import httpx

from millrace.client.actions import Action, Authorize, Deliver, Pause, ReadAll, Receive, Send, Steps
from millrace.client.calls import Call, Sender
from millrace.client.follow import Cursor, Follower, Plan
from millrace.client.reception import Reception, RunReception
from millrace.client.state import RunState
from millrace.client.tokens import Tokens

T = TypeVar("T")
E = TypeVar("E")
S = TypeVar("S")


class Exchange(Generic[T]):
    """Executes steps. It holds at most one connection, and none after the last step."""

    value: T

    def __init__(self, http: httpx.Client, tokens: Tokens, steps: Steps[T]) -> None:
        self._http = http
        self._tokens = tokens
        self._steps = steps
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._aborted = threading.Event()
        self._at_work = threading.Lock()

    def advance(self) -> list[Any] | None:
        """Return the items of the next delivery; None after the last one, when `value` is set."""
        with self._at_work:
            try:
                delivered = self._advance()
            except StopIteration as end:
                self.value, delivered = end.value, None
            except BaseException:
                self.close()
                raise
            if delivered is None:
                self.close()
            return delivered

    def _advance(self) -> list[Any] | None:
        answer: Any = None
        failure: httpx.TransportError | None = None
        while not self._aborted.is_set():
            action = self._steps.send(answer) if failure is None else self._steps.throw(failure)
            if isinstance(action, Deliver):
                return action.items
            answer, failure = None, None
            try:
                answer = self._do(action)
            except httpx.TransportError as error:
                failure = error
        return None

    def abort(self) -> None:
        """End it from any thread, even while it waits."""
        self._aborted.set()
        response = self._response
        if self._at_work.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._at_work.release()
        elif response is not None:
            _wake(response)

    def close(self) -> None:
        """Close the connection; no step follows."""
        self._steps.close()
        self._disconnect()

    def _do(self, action: Action) -> Any:
        match action:
            case Receive():
                return next(self._chunks, b"")
            case Send():
                return self._send(action)
            case Authorize():
                return self._tokens.get(action.rejected)
            case Pause():
                self._disconnect()
                self._aborted.wait(action.seconds)
            case ReadAll():
                assert self._response is not None
                self._response.read()
        return None

    def _send(self, action: Send) -> httpx.Response:
        self._disconnect()
        response = self._http.send(action.request, stream=action.stream)
        if action.stream:
            self._response = response
            self._chunks = response.iter_bytes()
        return response

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _wake(response: httpx.Response) -> None:
    """Wake a thread that reads from this response, which closing alone does not do."""
    stream = response.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream else None
    if found is not None:
        with contextlib.suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)


class EventStream(Reception[E]):
    """Yields events in order. A stream is a context manager, and closes itself after its last event.

    It reconnects by itself, without gaps or repetitions. Closing a stream does not stop its run.
    """

    def __init__(self, io: "Blocking", follower: Follower) -> None:
        super().__init__(follower)
        self._exchange = io.exchange(follower.steps())
        self._add(self._exchange.advance() or ())

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        while (event := self._next()) is None:
            messages = self._exchange.advance()
            if messages is None:
                raise StopIteration
            self._add(messages)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the stream has ended."""
        self._pending.clear()
        self._exchange.close()

    def abort(self) -> None:
        """End the stream, from any thread; a pending wait for the next event ends."""
        self._pending.clear()
        self._exchange.abort()


class RunStream(EventStream[E], RunReception[E]):
    """Yields the events of a run."""

    def text(self) -> Iterator[str]:
        """Iterate over the pieces of the answer as they arrive. After a takeover, a part may arrive again;
        `state.text` is then the answer."""
        for event in self:
            piece = self.state.piece(cast(Any, event))
            if piece:
                yield piece

    def result(self) -> RunState:
        """Read to the end, and return the final state. Raises `RunFailedError`, `RunWaitsError` and the
        errors that any request may raise."""
        with self:
            for _ in self:
                pass
        return self.state.checked()


class AudioStream:
    """The bytes of an audio stream, as they are produced. `content_type` is their media type."""

    def __init__(self, exchange: Exchange[None]) -> None:
        self._exchange = exchange
        first = exchange.advance()
        self.content_type: str = first[0] if first else ""

    def __iter__(self) -> Iterator[bytes]:
        while (chunks := self._exchange.advance()) is not None:
            yield from chunks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which ends the speech."""
        self._exchange.close()

    def read(self) -> bytes:
        """Return the whole audio."""
        with self:
            return b"".join(self)


class Blocking:
    """Sends the requests of one client."""

    def __init__(self, http: httpx.Client, tokens: Tokens, sender: Sender) -> None:
        self.http = http
        self.sender = sender
        self._tokens = tokens

    def exchange(self, steps: Steps[T]) -> Exchange[T]:
        return Exchange(self.http, self._tokens, steps)

    def call(self, call: Call[T]) -> T:
        """Return the answer to a call."""
        exchange = self.exchange(call.steps(self.sender))
        exchange.advance()
        return exchange.value

    def stream(self, kind: Callable[["Blocking", Follower], S], plan: Plan, cursor: Cursor) -> S:
        """Open a stream of this kind."""
        return kind(self, Follower(self.sender, plan, cursor))
