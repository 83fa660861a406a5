"""The budget of one pass over events: units of work, and time.

A unit is about 100 ns: one value that is compared, or 64 characters that are read or built. What costs the
same whatever the values are is not counted, since the size of a definition bounds it.

A pass over several events that exceeds its share raises `OutOfWork`: the caller repeats it with fewer of
them. An event that exceeds its own share raises `TooMuchWork`, which is an error of that event.
"""

import math
import time
from collections.abc import Callable
from contextvars import ContextVar, Token

from millrace.errors import MillraceError
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.limits import (
    CHUNK_WORK,
    CHUNK_WORK_MOST,
    CHUNK_WORK_PER_EVENT,
    EVENT_WORK,
    INPUT_BYTES,
    PART_WORK,
    PASS_WORK,
    SINGLE_WORK,
)


class TooMuchWork(EvaluationError):
    """One event needs more work than an event may. No `onError: null` stands in for it."""

    code = "too_much_work"


class OutOfWork(MillraceError):
    """Several events together need more work, or more time, than one pass may: repeat with fewer."""

    status = 422
    code = "too_much_work"


class Unfinished(Exception):
    """The time is over; `events` were not taken through the steps."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__(f"{len(events)} events are left")
        self.events = events


class Work:
    """The budget of one pass over so many events. `ends` is by `clock`, in seconds; a single event has none,
    as its work is bounded. `bytes` is an upper bound for the expanded size of each event as it stands.

    Used as a context manager, `charge` counts here.
    """

    __slots__ = ("_clock", "_ends", "_left", "_scope", "_single", "_token", "bytes")

    def __init__(
        self, events: int = 1, ends: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._single = events <= 1
        self._ends = math.inf if self._single else ends
        self._clock = clock
        self._left = SINGLE_WORK if self._single else PASS_WORK
        self._scope = EVENT_WORK
        self._token: Token[Work | None] | None = None
        self.bytes = INPUT_BYTES

    def __enter__(self) -> "Work":
        self._token = _CURRENT.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)

    def chunk(self, events: int) -> None:
        """Count the work that follows for so many events at once. Raises `OutOfWork`."""
        self.check_time()
        self._scope = min(CHUNK_WORK + CHUNK_WORK_PER_EVENT * events, CHUNK_WORK_MOST)

    def event(self, parts: int = 1) -> None:
        """Count the work that follows for one event, which is one of so many `parts`. Raises `OutOfWork`."""
        self.check_time()
        self._scope = max(EVENT_WORK // parts, PART_WORK)

    def check_time(self) -> None:
        """Raises `OutOfWork` when the time is over."""
        if self.is_over():
            raise OutOfWork("The events need more time than one pass may take.")

    def is_over(self) -> bool:
        return self._clock() > self._ends

    def spend(self, units: int) -> None:
        """Raises `TooMuchWork` or `OutOfWork`."""
        self._scope -= units
        self._left -= units
        if self._left < 0 and not self._single:
            raise OutOfWork("The events need more work than one pass may take.")
        if self._scope < 0 or self._left < 0:
            raise TooMuchWork(
                "The event needs more work than one event may: compare, copy or search smaller values."
            )


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


def charge(units: int) -> None:
    """Counts work to the current budget, if there is one. Raises as `Work.spend`."""
    work = _CURRENT.get()
    if work is not None:
        work.spend(units)
