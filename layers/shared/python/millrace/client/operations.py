"""Operations that are written once and work in both clients: they say what to send and how to read the
answer.

    class Agents(Resource[IO]):
        @operation
        def get(self, agent_id: str) -> Call[Agent]: ...

    Client().agents.get("a")             # an Agent
    await AsyncClient().agents.get("a")  # the same
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from millrace.client.asynchronous import (
    AsyncAudioStream,
    AsyncEventStream,
    Asynchronous,
    AsyncRunStream,
    Connecting,
)
from millrace.client.audio import listen
from millrace.client.blocking import AudioStream, Blocking, EventStream, RunStream
from millrace.client.calls import Call, Request, given
from millrace.client.follow import Cursor, Plan

IO = TypeVar("IO", Blocking, Asynchronous)
P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")


class Resource(Generic[IO]):
    """A part of the API in one client."""

    def __init__(self, io: IO) -> None:
        self._io: IO = io


class Page(Protocol[T]):
    """A page of a list. `next_cursor` is the cursor of the next page."""

    @property
    def items(self) -> list[T]: ...
    @property
    def next_cursor(self) -> str | None: ...


class Listing(NamedTuple, Generic[T]):
    """The request for the first page of a list, and how to read each page."""

    request: Request
    read: Callable[[Any], Page[T]]

    def call(self, cursor: str | None) -> Call[Page[T]]:
        """Return the call for the page of a cursor; None for the first page."""
        query = {**self.request.query, **given(cursor=cursor)}
        return Call(replace(self.request, query=query), self.read)


class Pages(Generic[T]):
    """A list that loads its pages while you iterate over it."""

    def __init__(self, io: Blocking, listing: Listing[T]) -> None:
        self._io = io
        self._listing = listing

    def page(self, cursor: str | None = None) -> Page[T]:
        """Return one page: `items`, and `next_cursor` for the next page."""
        return self._io.call(self._listing.call(cursor))

    def __iter__(self) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = self.page(cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return


class AsyncPages(Generic[T]):
    """A list that loads its pages while you iterate over it."""

    def __init__(self, io: Asynchronous, listing: Listing[T]) -> None:
        self._io = io
        self._listing = listing

    async def page(self, cursor: str | None = None) -> Page[T]:
        """Return one page: `items`, and `next_cursor` for the next page."""
        return await self._io.call(self._listing.call(cursor))

    async def __aiter__(self) -> AsyncIterator[T]:
        cursor: str | None = None
        while True:
            page = await self.page(cursor)
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return


class Watch(NamedTuple, Generic[E]):
    """A stream of events to open."""

    plan: Plan
    cursor: Cursor


class RunWatch(NamedTuple, Generic[E]):
    """A stream of a run's events to open."""

    plan: Plan
    cursor: Cursor


class _Described(Generic[P, T]):
    """Base of the descriptors: keeps the name, the signature and the docstring of the method."""

    def __init__(self, plan: Callable[Concatenate[Any, P], T]) -> None:
        self._plan = plan
        update_wrapper(self, plan)  # type: ignore[arg-type]  # it has what a function has, but no code

    def _bound(self, resource: Any, run: Callable[[Any, T], Any]) -> Any:
        if resource is None:
            return self._plan

        @wraps(self._plan)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(resource._io, self._plan(resource, *args, **kwargs))

        return method


class operation(_Described[P, Call[T]]):
    """A request with one answer."""

    @overload
    def __get__(self, resource: Resource[Blocking], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Resource[Asynchronous], owner: Any
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._bound(resource, lambda io, call: io.call(call))


class listing(_Described[P, Listing[T]]):
    """A list with pages."""

    @overload
    def __get__(self, resource: Resource[Blocking], owner: Any) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, resource: Resource[Asynchronous], owner: Any) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._bound(
            resource, lambda io, found: (Pages if isinstance(io, Blocking) else AsyncPages)(io, found)
        )


class event_stream(_Described[P, Watch[E]]):
    """A stream of events."""

    @overload
    def __get__(self, resource: Resource[Blocking], owner: Any) -> Callable[P, EventStream[E]]: ...
    @overload
    def __get__(
        self, resource: Resource[Asynchronous], owner: Any
    ) -> Callable[P, Connecting[AsyncEventStream[E]]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._bound(
            resource,
            lambda io, watch: io.stream(
                EventStream if isinstance(io, Blocking) else AsyncEventStream, watch.plan, watch.cursor
            ),
        )


class run_stream(_Described[P, RunWatch[E]]):
    """A stream of the events of a run."""

    @overload
    def __get__(self, resource: Resource[Blocking], owner: Any) -> Callable[P, RunStream[E]]: ...
    @overload
    def __get__(
        self, resource: Resource[Asynchronous], owner: Any
    ) -> Callable[P, Connecting[AsyncRunStream[E]]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._bound(
            resource,
            lambda io, watch: io.stream(
                RunStream if isinstance(io, Blocking) else AsyncRunStream, watch.plan, watch.cursor
            ),
        )


class audio_stream(_Described[P, Request]):
    """A stream of audio."""

    @overload
    def __get__(self, resource: Resource[Blocking], owner: Any) -> Callable[P, AudioStream]: ...
    @overload
    def __get__(
        self, resource: Resource[Asynchronous], owner: Any
    ) -> Callable[P, Connecting[AsyncAudioStream]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._bound(resource, _listen)


def _listen(io: Any, request: Request) -> Any:
    exchange = io.exchange(listen(io.sender, request))
    return AudioStream(exchange) if isinstance(io, Blocking) else Connecting(AsyncAudioStream(exchange))
