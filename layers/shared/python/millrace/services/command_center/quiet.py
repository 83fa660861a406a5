"""Organizations that a process need not check again, because time alone changes nothing there any more.

An organization is noted as active before an event is recorded, at least every five minutes. Once the last
note is older than that, any later event brings a newer one. Until then, nothing changes where no run is
active, except that the windows of rules pass.
"""

from millrace.domain.alerts import MAX_WINDOW_MS
from millrace.stores.alerts import NOTED_MS

SLACK_MS = 120_000
"""Allows for clocks that differ, and for events that take long to record."""
AFTER_MS = {"check": NOTED_MS + SLACK_MS + MAX_WINDOW_MS, "notice_lost_runs": NOTED_MS + SLACK_MS}
"""The age of the last note from which only a newer one can change the result of a check, by its name."""
ALL_MS = 3_600_000
_MOST = 100_000


class Quiet:
    """The memory of a process. All times are epoch milliseconds."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, str], int] = {}
        self._all: int | None = None

    def saw(self, look: str, organization: str, noted: int, now: int) -> None:
        """Remember a check that found no active run, with the time of the last note and its own."""
        if noted and now - noted > AFTER_MS[look]:
            if len(self._noted) >= _MOST:
                self._noted.clear()
            self._noted[look, organization] = noted

    def has(self, look: str, organization: str, noted: int) -> bool:
        """Return whether a check can skip an organization with this last note."""
        return noted > 0 and self._noted.get((look, organization)) == noted

    def is_old(self, now: int) -> bool:
        """Return whether it is time to check all organizations."""
        return self._all is None or now - self._all >= ALL_MS

    def looked_at_all(self, now: int) -> None:
        """Remember that all were checked."""
        self._all = now
