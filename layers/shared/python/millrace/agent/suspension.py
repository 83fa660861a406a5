"""A run that goes on later, in another process."""

from collections.abc import Sequence

from millrace.domain.approvals import WaitingCall
from millrace.domain.events import Event
from millrace.domain.runs import Parked


class Suspended(Exception):
    """The run leaves this process: `reason` says why, `delay` after how many seconds it goes on by itself
    (for a run that waits for people: when their time is over). All that it has done is stored by then, but
    for `last`, the event with which the streams of a waiting run end, and the `calls` that begin to wait."""

    def __init__(
        self,
        reason: Parked,
        delay: float = 0,
        last: Event | None = None,
        calls: Sequence[WaitingCall] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.last = last
        self.calls = calls
