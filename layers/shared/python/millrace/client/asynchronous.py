"""I/O that is awaited, over `httpx.AsyncClient`."""

from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import anyio
import httpx

from millrace.client.actions import Action, Authorize, Deliver, Pause, ReadAll, Receive, Send, Steps
from millrace.client.calls import Call, Sender
from millrace.client.follow import Cursor, Follower, Plan
from millrace.client.reception import Reception, RunReception
from millrace.client.state import RunState
from millrace.client.tokens import AsyncTokens

T = TypeVar("T")
E = TypeVar("E")


class AsyncExchange(Generic[T]):
    """Executes steps. It holds at most one connection, and none after the last step."""

    value: T

    def __init__(self, http: httpx.AsyncClient, tokens: AsyncTokens, steps: Steps[T]) -> None:
        self._http = http
        self._tokens = tokens
        self._steps = steps
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] = _nothing()
        self._scope: anyio.CancelScope | None = None
        self._aborted = False

    async def advance(self) -> list[Any] | None:
        """Return the items of the next delivery; None after the last one, when `value` is set."""
        delivered: list[Any] | None = None
        try:
            with anyio.CancelScope() as self._scope:
                delivered = await self._advance()
        except _Ended as ended:
            self.value = ended.value
        except BaseException:
            await self.close()
            raise
        if delivered is None:
            await self.close()
        return delivered

    async def _advance(self) -> list[Any] | None:
        answer: Any = None
        failure: httpx.TransportError | None = None
        while not self._aborted:
            try:
                action = self._steps.send(answer) if failure is None else self._steps.throw(failure)
            except StopIteration as end:
                raise _Ended(end.value) from None
            if isinstance(action, Deliver):
                return action.items
            answer, failure = None, None
            try:
                answer = await self._do(action)
            except httpx.TransportError as error:
                failure = error
        return None

    def abort(self) -> None:
        """End it from another task, even while it waits."""
        self._aborted = True
        if self._scope is not None:
            self._scope.cancel()

    async def close(self) -> None:
        """Close the connection; no step follows."""
        self._steps.close()
        await self._disconnect()

    async def _do(self, action: Action) -> Any:
        match action:
            case Receive():
                return await anext(self._chunks, b"")
            case Send():
                return await self._send(action)
            case Authorize():
                return await self._tokens.get(action.rejected)
            case Pause():
                await self._disconnect()
                await anyio.sleep(action.seconds)
            case ReadAll():
                assert self._response is not None
                await self._response.aread()
        return None

    async def _send(self, action: Send) -> httpx.Response:
        await self._disconnect()
        response = await self._http.send(action.request, stream=action.stream)
        if action.stream:
            self._response = response
            self._chunks = response.aiter_bytes()
        return response

    async def _disconnect(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            # Even while this task is being canceled, since a connection must not outlive it.
            with anyio.CancelScope(shield=True):
                await response.aclose()


class _Ended(Exception):
    """Carries the last step's value out of a coroutine, which a StopIteration cannot leave."""

    def __init__(self, value: Any) -> None:
        self.value = value


async def _nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for chunk in none:
        yield chunk


class Openable(Protocol):
    """A stream that is not connected yet."""

    async def open(self) -> Any:
        """Connect."""

    async def close(self) -> None:
        """Close the connection."""


S = TypeVar("S", bound=Openable)


class Connecting(Generic[S]):
    """A stream to be opened: `stream = await ...`, or `async with ... as stream`."""

    def __init__(self, stream: S) -> None:
        self._stream = stream

    def __await__(self) -> Generator[Any, Any, S]:
        return self._open().__await__()

    async def _open(self) -> S:
        await self._stream.open()
        return self._stream

    async def __aenter__(self) -> S:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.close()


class AsyncEventStream(Reception[E]):
    """Yields events in order. A stream is a context manager, and closes itself after its last event.

    It reconnects by itself, without gaps or repetitions. Closing a stream does not stop its run.
    """

    def __init__(self, io: "Asynchronous", follower: Follower) -> None:
        super().__init__(follower)
        self._exchange = io.exchange(follower.steps())

    async def open(self) -> None:
        """Connect."""
        self._add(await self._exchange.advance() or ())

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        while (event := self._next()) is None:
            messages = await self._exchange.advance()
            if messages is None:
                raise StopAsyncIteration
            self._add(messages)
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the stream has ended."""
        self._pending.clear()
        await self._exchange.close()

    def abort(self) -> None:
        """End the stream, from any task; a pending wait for the next event ends."""
        self._pending.clear()
        self._exchange.abort()


class AsyncRunStream(AsyncEventStream[E], RunReception[E]):
    """Yields the events of a run."""

    async def text(self) -> AsyncIterator[str]:
        """Iterate over the pieces of the answer as they arrive. After a takeover, a part may arrive again;
        `state.text` is then the answer."""
        async for event in self:
            piece = self.state.piece(cast(Any, event))
            if piece:
                yield piece

    async def result(self) -> RunState:
        """Read to the end, and return the final state. Raises `RunFailedError`, `RunWaitsError` and the
        errors that any request may raise."""
        async with self:
            async for _ in self:
                pass
        return self.state.checked()


class AsyncAudioStream:
    """The bytes of an audio stream, as they are produced. `content_type` is their media type."""

    content_type = ""

    def __init__(self, exchange: AsyncExchange[None]) -> None:
        self._exchange = exchange

    async def open(self) -> None:
        """Connect."""
        first = await self._exchange.advance()
        self.content_type = first[0] if first else ""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunks := await self._exchange.advance()) is not None:
            for chunk in chunks:
                yield chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, which ends the speech."""
        await self._exchange.close()

    async def read(self) -> bytes:
        """Return the whole audio."""
        async with self:
            return b"".join([chunk async for chunk in self])


class Asynchronous:
    """Sends the requests of one client."""

    def __init__(self, http: httpx.AsyncClient, tokens: AsyncTokens, sender: Sender) -> None:
        self.http = http
        self.sender = sender
        self._tokens = tokens

    def exchange(self, steps: Steps[T]) -> AsyncExchange[T]:
        return AsyncExchange(self.http, self._tokens, steps)

    async def call(self, call: Call[T]) -> T:
        """Return the answer to a call."""
        exchange = self.exchange(call.steps(self.sender))
        await exchange.advance()
        return exchange.value

    def stream(
        self, kind: Callable[["Asynchronous", Follower], S], plan: Plan, cursor: Cursor
    ) -> Connecting[S]:
        """Return a stream of this kind that is not open yet."""
        return Connecting(kind(self, Follower(self.sender, plan, cursor)))
