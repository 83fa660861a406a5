"""Events on their way from a run to the one client that started it, in the same process."""

import asyncio

from millrace.domain.events import Logged


class Outbox:
    """A queue with one reader that takes all there is at once. Putting never blocks and costs no task
    switch: a slow client never slows the agent, and what it has not read is bounded by the run's limits."""

    def __init__(self) -> None:
        self._events: list[Logged] = []
        self._waiter: asyncio.Future[None] | None = None
        self._open = True

    def put(self, event: Logged) -> None:
        """Hands over one event; thrown away when nobody reads any more."""
        if self._open:
            self._events.append(event)
            self._wake()

    async def take(self) -> list[Logged]:
        """What has come since the last call, at least one event; empty once closed."""
        while not self._events and self._open:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken, self._events = self._events, []
        return taken

    def close(self) -> None:
        """Nothing more will come, or nobody reads any more. What is there can still be taken."""
        self._open = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
