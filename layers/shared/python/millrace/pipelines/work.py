"""The budget of one pass over events: units of work, and time.

A unit is about 100 ns: one value that is compared, or 64 characters that are read or built. Costs that do not
depend on the values are not counted, because the size of a definition bounds them.

A pass over several events that exceeds its share raises `OutOfWork`, and the caller repeats it with fewer
events. An event that exceeds its own share raises `TooMuchWork`, which is an error of that event.
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
    """An event needs more work than allowed. `onError: null` does not apply to it."""

    code = "too_much_work"


class OutOfWork(MillraceError):
    """Several events together need more work or time than one pass may take. Repeat with fewer."""

    status = 422
    code = "too_much_work"


class Unfinished(Exception):
    """The time is up; `events` did not go through the steps."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__(f"{len(events)} events are left")
        self.events = events


class Work:
    """The budget of one pass over a number of events.

    `ends` is the end by `clock`, in seconds; a single event has no end, because its work is bounded. `bytes`
    is an upper bound for the current expanded size of each event. Used as a context manager, it receives the
    calls of `charge`.
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
        """Limit the following work for a number of events together. Raises `OutOfWork`."""
        self.check_time()
        self._scope = min(CHUNK_WORK + CHUNK_WORK_PER_EVENT * events, CHUNK_WORK_MOST)

    def event(self, parts: int = 1) -> None:
        """Limit the following work for one event, which is one of `parts`. Raises `OutOfWork`."""
        self.check_time()
        self._scope = max(EVENT_WORK // parts, PART_WORK)

    def check_time(self) -> None:
        """Raise `OutOfWork` if the time is up."""
        if self.is_over():
            raise OutOfWork("The events need more time than one pass may take.")

    def is_over(self) -> bool:
        return self._clock() > self._ends

    def spend(self, units: int) -> None:
        """Count units of work. Raises `TooMuchWork` or `OutOfWork`."""
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
    """Count work in the current budget, if there is one. Raises as `Work.spend` does."""
    work = _CURRENT.get()
    if work is not None:
        work.spend(units)
