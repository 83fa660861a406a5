"""The slots in which this process begins runs."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from millrace.domain.conversations import Slot

REMEMBERED = 1000


class BegunSlots:
    """A record of the slots in which runs are being begun, or were begun after a given moment.

    A moment is a number that `now` returns.
    """

    def __init__(self) -> None:
        self.now = 0
        self._under_way: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._forgotten = 0
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    @contextmanager
    def beginning(self, slot: Slot) -> Iterator[None]:
        """Record that the block begins a run, whether or not it succeeds."""
        self._under_way[slot.key] += 1
        try:
            yield
        finally:
            self._under_way -= Counter((slot.key,))
            self._note(slot)
            if slot.key not in self._under_way:
                self._wake(slot)

    async def settled(self, slot: Slot) -> None:
        """Wait until no run is being begun in a slot.

        The write of a run that is already working must not be refused because of a later message.
        """
        if slot.key in self._under_way:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting[slot.key].append(waiting)
            await waiting

    def _wake(self, slot: Slot) -> None:
        for waiting in self._waiting.pop(slot.key, []):
            if not waiting.done():
                waiting.set_result(None)

    def _note(self, slot: Slot) -> None:
        if len(self._last) >= REMEMBERED:
            self._last.clear()
            self._forgotten = self.now
        self.now += 1
        self._last[slot.key] = self.now

    def since(self, slot: Slot, moment: int) -> bool:
        """Return whether a run is being begun, or was begun after the moment. True if this is forgotten."""
        return slot.key in self._under_way or self._last.get(slot.key, self._forgotten) > moment
