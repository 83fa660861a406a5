"""Delays before deliveries are retried: exponential backoff with full jitter."""

LEAST_MS = 1_000
CAP_MS = 15 * 60 * 1000
LONGEST_ASKED_MS = 60 * 60 * 1000
MOST_SENDS = 2_000
"""Of one job to the queue, for whatever reason, in place of Lambda's own bound of 16. `again_ms` sees to it
that 24 hours have less."""
_FREE_SENDS = 8
_LONGEST_AGAIN_MS = 60_000


def wait_ms(attempt: int, backoff_ms: int, retry_after: float | None, chance: float) -> int:
    """Milliseconds to wait after attempt number `attempt` (from 0) failed: the largest of what the server
    asked for (`retry_after` seconds, an hour at most), one second, and a share (`chance`, 0 to 1) of
    `backoff_ms` doubled with each attempt, 15 minutes at most."""
    ceiling = min(CAP_MS, backoff_ms * 2 ** min(attempt, 32))
    asked = min(LONGEST_ASKED_MS, max(0.0, retry_after or 0.0) * 1000)
    return max(int(asked), LEAST_MS, int(chance * ceiling))


def again_ms(sends: int) -> int:
    """The least time until a job that was put on the queue so often is looked at again: a second after eight
    times, twice as long after each eight more, a minute at most."""
    if sends < _FREE_SENDS:
        return 0
    doubled: int = LEAST_MS * 2 ** min(sends // _FREE_SENDS - 1, 10)
    return min(_LONGEST_AGAIN_MS, doubled)
