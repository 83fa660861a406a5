"""Ends the work on a run in this process, to be continued later in another one."""

from collections.abc import Sequence

from millrace.domain import events
from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import iso
from millrace.domain.events import Event
from millrace.domain.runs import Parked


class Suspended(Exception):
    """The run leaves this process.

    `reason` says why. `delay` is the time in seconds after which the run continues by itself; for a run that
    waits for people, when the time of all waiting `calls` is over. Everything that it has done is stored by
    then, except `last`.
    """

    def __init__(self, reason: Parked, delay: float = 0, calls: Sequence[WaitingCall] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.calls = list(calls)

    @classmethod
    def until_answered(cls, calls: Sequence[WaitingCall], now_ms: int) -> "Suspended":
        """Suspend a run until these calls are answered."""
        last = max(call.expires_ms for call in calls)
        return cls("waiting", max(1, (last - now_ms) / 1000), calls)

    @property
    def last(self) -> Event | None:
        """The event that ends the streams of a run that waits; None for other runs."""
        if self.reason != "waiting" or not self.calls:
            return None
        named = [{"callId": call.call_id, "kind": call.kind, "name": call.name} for call in self.calls]
        return events.waiting(named, iso(min(call.expires_ms for call in self.calls)))


class Interrupted(Exception):
    """The run cannot continue in this process because of an `error` that is not a tool's: the run is being
    stopped, its lease is lost, or the store does not respond. A sub-agent raises it through the loop of its
    parent."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def together(parts: Sequence[Suspended]) -> Suspended:
    """Combine the suspensions of several agents that work side by side. The run waits for people only if all
    of them do; otherwise it continues for those that do not."""
    calls = [call for part in parts for call in part.calls]
    awake = [part for part in parts if part.reason != "waiting"]
    if not awake:
        return Suspended("waiting", max(part.delay for part in parts), calls)
    first = min(awake, key=lambda part: part.delay)
    return Suspended(first.reason, first.delay, calls)
