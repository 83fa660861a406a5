"""The slots in which this process begins runs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from millrace.domain.conversations import Slot

REMEMBERED = 1000


class BegunSlots:
    """Tells whether a run is being begun in a slot, or was after a moment, which is a number that `now`
    gives."""

    def __init__(self) -> None:
        self.now = 0
        self._under_way: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._forgotten = 0

    @contextmanager
    def beginning(self, slot: Slot) -> Iterator[None]:
        """Note that the block begins a run, whether or not it succeeds."""
        self._under_way[slot.key] += 1
        try:
            yield
        finally:
            self._under_way -= Counter((slot.key,))
            self._note(slot)

    def _note(self, slot: Slot) -> None:
        if len(self._last) >= REMEMBERED:
            self._last.clear()
            self._forgotten = self.now
        self.now += 1
        self._last[slot.key] = self.now

    def since(self, slot: Slot, moment: int) -> bool:
        """Return whether one is under way, or was after the moment; also where that is forgotten."""
        return slot.key in self._under_way or self._last.get(slot.key, self._forgotten) > moment
