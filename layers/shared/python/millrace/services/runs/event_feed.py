"""Events on their way from a run to the one client that started it, in the same process."""

import asyncio
from typing import Self

from millrace.domain.events import LogEntry


class EventFeed:
    """A queue with one reader that takes all there is at once. Putting never blocks: a slow client never
    slows the agent, and what it has not read is bounded by the run's limits. The reader is woken one turn of
    the event loop later, so that tokens which come in one burst leave in one write."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: list[LogEntry] = []
        self._waiter: asyncio.Future[None] | None = None
        self._open = True

    def put(self, event: LogEntry) -> None:
        """Hand over one event; thrown away when nobody reads any more."""
        if self._open:
            self._events.append(event)
            if self._waiter is not None:
                self._loop.call_soon(self._wake, self._waiter)
                self._waiter = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[LogEntry]:
        """Return the events that have come since the last call; waits for at least one, until the feed
        is closed."""
        while not self._events:
            if not self._open:
                raise StopAsyncIteration
            self._waiter = waiter = self._loop.create_future()
            await waiter
        drained, self._events = self._events, []
        return drained

    def close(self) -> None:
        """Nothing more will come, or nobody reads any more. What is there can still be taken."""
        self._open = False
        if self._waiter is not None:
            self._wake(self._waiter)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)
