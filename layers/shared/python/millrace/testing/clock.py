"""A clock that stands still."""

from millrace.domain.clock import from_iso

START = "2026-01-01T12:00:00Z"


class FrozenClock:
    """Returns the same time until it is advanced. Call it for the milliseconds since 1970."""

    def __init__(self, at: str = START) -> None:
        """`at` is an ISO 8601 time."""
        self._now = from_iso(at)

    def __call__(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += round(seconds * 1000)
