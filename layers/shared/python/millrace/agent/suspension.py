"""A run that goes on later, in another process."""

from collections.abc import Sequence

from millrace.domain import events
from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import iso
from millrace.domain.events import Event
from millrace.domain.runs import Parked


class Suspended(Exception):
    """The run leaves this process: `reason` says why, `delay` after how many seconds it goes on by itself
    (for a run that waits for people: when the time of all `calls` that wait is over). All that it has done is
    stored by then, but for `last`."""

    def __init__(self, reason: Parked, delay: float = 0, calls: Sequence[WaitingCall] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.calls = list(calls)

    @classmethod
    def until_answered(cls, calls: Sequence[WaitingCall], now_ms: int) -> "Suspended":
        """Let a run wait for these calls."""
        last = max(call.expires_ms for call in calls)
        return cls("waiting", max(1, (last - now_ms) / 1000), calls)

    @property
    def last(self) -> Event | None:
        """The event with which the streams of a run that waits end."""
        if self.reason != "waiting" or not self.calls:
            return None
        named = [{"callId": call.call_id, "kind": call.kind, "name": call.name} for call in self.calls]
        return events.waiting(named, iso(min(call.expires_ms for call in self.calls)))


class Interrupted(Exception):
    """The run cannot go on in this process, because of an `error` that is no tool's: it is to stop, its lease
    is lost, or the store does not answer. An agent at work for another one raises it through the other's
    loop."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def together(parts: Sequence[Suspended]) -> Suspended:
    """Of several agents at work side by side each has stopped: the run waits for people only where all of
    them do; else it goes on for those that need nobody."""
    calls = [call for part in parts for call in part.calls]
    awake = [part for part in parts if part.reason != "waiting"]
    if not awake:
        return Suspended("waiting", max(part.delay for part in parts), calls)
    first = min(awake, key=lambda part: part.delay)
    return Suspended(first.reason, first.delay, calls)
