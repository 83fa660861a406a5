"""Slots for requests to a destination: remaining time, and the rate limit.

The jobs of one process share a destination's slots, and one write reserves several for all that wait. They
wait here, one after the other, for no longer than slots are reserved ahead.
"""

import asyncio
import math
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.domain.clock import Clock
from millrace.domain.token_bucket import Grant, Rate, SlotRequest
from millrace.stores.delivery_state import DeliveryState, DestinationKey

NO_TIME_MS = 1_000
LIMITED_MS = 20_000
"""The total time that a job waits for slots of a rate limit. The remaining events are sent later together."""
AT_ONCE_MS = 1
LONGEST_LEAD_MS = 500
_FIRST_RUN = 8

Pause = Callable[[float], Awaitable[None]]


class Slots:
    """The slots of one destination that this process has reserved but not used yet."""

    def __init__(
        self, destination_key: DestinationKey, rate: Rate, state: DeliveryState, clock: Clock, pause: Pause
    ) -> None:
        self._destination_key = destination_key
        self._rate = rate
        self._state = state
        self._clock = clock
        self._pause = pause
        self._free: deque[float] = deque()
        self._most = max(rate.burst, math.ceil(rate.per_second))
        self._run = min(_FIRST_RUN, self._most)
        self._lead = 0
        self.lock = asyncio.Lock()
        self.due = 0

    async def next(self, request: SlotRequest) -> int:
        """Wait for a slot while holding the lock. Return 0, or the milliseconds to stay away.

        A job that was held up, by a slow reservation or a busy machine, waits for another slot.
        """
        while True:
            if not self._free:
                grant = await self._reserve(request)
                if not grant.slots:
                    return grant.wait_ms
            # The slot stays in the deque during the pause: `_forget_late` drops it if this process was held
            # up.
            slot = self._free[0]
            await self._pause(max(0, math.ceil(slot) - self._clock()) / 1000)
            self._forget_late()
            if self._free and self._free[0] == slot:
                self._free.popleft()
                return 0

    async def _reserve(self, request: SlotRequest) -> Grant:
        """Reserve a run of slots, twice as long as the last one as long as all are used in time."""
        # Slots that are not used here are lost to other processes, too.
        count = max(1, min(self.due, self._run))
        began = self._clock()
        grant = await self._state.reserve(
            self._destination_key, self._rate, replace(request, count=count, lead=self._lead)
        )
        self._set_lead(self._clock() - began)
        self._free.extend(grant.slots)
        self._run = min(2 * self._run, self._most)
        return grant

    def _set_lead(self, took: int) -> None:
        """Set the lead, so that a slow reservation is not too late for its first slot."""
        needed = max(took - self._rate.late / 2, self._lead * 0.8)
        self._lead = int(min(max(needed, 0), LONGEST_LEAD_MS))

    def _forget_late(self) -> None:
        """Drop slots that are too late. The clock is in whole milliseconds, so up to one more has passed."""
        late = self._clock() + 1 - self._rate.late
        while self._free and self._free[0] <= late:
            self._free.popleft()
            # A process that misses its slots is too busy for long runs.
            self._run = max(1, self._run // 2)


class JobSlots:
    """The slots of one job.

    Once a job has been sent away, it stays away, so that all that is left is sent together.
    """

    def __init__(
        self, slots: Slots | None, clock: Clock, ends: int, new: bool, requests: int | None = None
    ) -> None:
        self._slots = slots
        self._left = sys.maxsize if requests is None else requests
        self._clock = clock
        self._ends = ends
        self._new = new
        self._served = False
        self._away = 0
        self._asking = 0
        self._due = 0
        self._since = 0
        self.waited = 0
        """Milliseconds, for all of its slots."""

    async def __call__(self, behind: int = 0) -> int:
        """Return 0 to continue, or the milliseconds to stay away.

        `behind` is the number of requests not yet begun.
        """
        if self._away:
            return self._away
        if self._slots is None:
            return NO_TIME_MS if self._clock() >= self._ends else 0
        if not self._asking:
            self._since = self._clock()
        self._asking += 1
        self._count(min(self._asking + behind, self._left))
        try:
            async with self._slots.lock:
                return await self._reserve(self._slots)
        finally:
            self._asking -= 1
            self.waited += 0 if self._asking else self._clock() - self._since
            self._count(max(0, self._due - 1) if not self._away else 0)

    async def _reserve(self, slots: Slots) -> int:
        if not self._away and (self._clock() >= self._ends or not self._left):
            self._away = AT_ONCE_MS
        if not self._away:
            request = SlotRequest(1, self._due, self._ends, self._new and not self._served, self._served)
            self._away = await slots.next(request)
            self._served = self._served or not self._away
            self._left -= not self._away
        return self._away

    def over(self) -> None:
        """Report that the job needs no more slots."""
        self._count(0)

    def _count(self, due: int) -> None:
        """Report how many slots this job needs."""
        if self._slots:
            self._slots.due += due - self._due
        self._due = due


class RateLimits(Struct, frozen=True):
    """Gives each job its slots, shared among the jobs of one destination."""

    state: DeliveryState
    clock: Clock
    pause: Pause = asyncio.sleep
    # Weak references: a destination's slots are dropped with the last job that holds them.
    shared: WeakValueDictionary[DestinationKey, Slots] = field(default_factory=WeakValueDictionary)

    def of(
        self,
        destination_key: DestinationKey,
        rate: Rate | None,
        budget: int,
        new: bool,
        requests: int | None = None,
    ) -> JobSlots:
        """Return the slots of a job for `budget` milliseconds and `requests` requests.

        `new` means that the job is sent to this destination for the first time.
        """
        slots = self._slots(destination_key, rate) if rate else None
        budget = min(budget, LIMITED_MS) if slots else budget
        return JobSlots(slots, self.clock, self.clock() + budget, new, requests)

    def _slots(self, destination_key: DestinationKey, rate: Rate) -> Slots:
        known = self.shared.get(destination_key)
        if known is None:
            known = self.shared[destination_key] = Slots(
                destination_key, rate, self.state, self.clock, self.pause
            )
        return known
