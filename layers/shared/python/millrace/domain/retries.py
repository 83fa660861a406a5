"""Delays before deliveries are retried: exponential backoff with full jitter."""

LEAST_MS = 1_000
CAP_MS = 15 * 60 * 1000
LONGEST_ASKED_MS = 60 * 60 * 1000
MOST_SENDS = 2_000
"""The maximum number of times that a job is sent to the queue, for whatever reason, instead of Lambda's limit
of 16. With `again_ms`, 24 hours take fewer."""
_FREE_SENDS = 8
_LONGEST_AGAIN_MS = 60_000


def wait_ms(attempt: int, backoff_ms: int, retry_after: float | None, chance: float) -> int:
    """Return the milliseconds to wait after attempt number `attempt` (from 0) failed: the largest of what the
    server asked for (`retry_after` seconds, at most an hour), one second, and a share (`chance`, 0 to 1) of
    `backoff_ms` doubled with each attempt, at most 15 minutes."""
    ceiling = min(CAP_MS, backoff_ms * 2 ** min(attempt, 32))
    asked = min(LONGEST_ASKED_MS, max(0.0, retry_after or 0.0) * 1000)
    return max(int(asked), LEAST_MS, int(chance * ceiling))


def again_ms(sends: int) -> int:
    """Return the minimum time until a job that was sent to the queue this often is processed again: a second
    after eight times, doubled after each eight more, at most a minute."""
    if sends < _FREE_SENDS:
        return 0
    doubled: int = LEAST_MS * 2 ** min(sends // _FREE_SENDS - 1, 10)
    return min(_LONGEST_AGAIN_MS, doubled)
