"""Events on their way from a run to the client that started it, in the same process."""

import asyncio
from typing import Self

from millrace.domain.events import LogEntry

MOST_EVENTS, MOST_BYTES = 4000, 4_000_000
"""The maximum number and size of unread events that a process keeps for a client that stopped reading."""
STALLED_SECONDS = 5.0
"""A client that leaves an event unread for this long has stopped reading. A burst may have any size."""


class EventFeed:
    """A queue with one reader that gets all available events at once.

    Putting never blocks, so a slow client never slows down the agent. A client that stopped reading only gets
    the events in the feed, and continues from the log as after a lost connection. The reader wakes
    up one iteration of the event loop later, so that tokens that arrive in a burst are sent in one write.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: list[LogEntry] = []
        self._waiter: asyncio.Future[None] | None = None
        self._open = True
        self._unread_bytes = 0
        self._unread_since = 0.0

    def put(self, event: LogEntry) -> None:
        """Pass on an event, or discard it if nobody reads any more."""
        if self._open:
            if not self._events:
                self._unread_since = self._loop.time()
            self._events.append(event)
            if self._waiter is not None:
                self._loop.call_soon(self._wake, self._waiter)
                self._waiter = None
            else:
                self._unread_bytes += len(event.data)
                if len(self._events) > MOST_EVENTS or self._unread_bytes > MOST_BYTES:
                    self._close_if_stalled()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[LogEntry]:
        """Return the events since the last call, waiting for at least one unless the feed is closed."""
        while not self._events:
            if not self._open:
                raise StopAsyncIteration
            self._waiter = waiter = self._loop.create_future()
            await waiter
        drained, self._events, self._unread_bytes = self._events, [], 0
        return drained

    def close(self) -> None:
        """Close the feed: nothing more will be put, or nobody reads any more.

        Events in it can still be read.
        """
        self._open = False
        if self._waiter is not None:
            self._wake(self._waiter)

    def _close_if_stalled(self) -> None:
        if self._loop.time() - self._unread_since >= STALLED_SECONDS:
            self.close()

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)
