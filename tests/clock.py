"""A clock for tests of retention in tables, which is close to the real time."""

from dataclasses import dataclass, field

from millrace.domain.clock import now_ms

HOUR_MS = 3_600_000


@dataclass
class Clock:
    """A clock that only tests move.

    It begins today, because the emulator deletes expired items by its own clock.
    """

    now: int = field(default_factory=lambda: now_ms() // HOUR_MS * HOUR_MS)

    def __call__(self) -> int:
        return self.now

    def pass_time(self, ms: int) -> None:
        self.now += ms
