"""When to send again what could not be delivered: exponential backoff with full jitter."""

LEAST_MS = 1_000
CAP_MS = 15 * 60 * 1000
LONGEST_ASKED_MS = 60 * 60 * 1000


def wait_ms(attempt: int, backoff_ms: int, retry_after: float | None, chance: float) -> int:
    """Milliseconds to wait after attempt number `attempt` (from 0) failed: the largest of what the server
    asked for (`retry_after` seconds, an hour at most), one second, and a share (`chance`, 0 to 1) of
    `backoff_ms` doubled with each attempt, 15 minutes at most."""
    ceiling = min(CAP_MS, backoff_ms * 2 ** min(attempt, 32))
    asked = min(LONGEST_ASKED_MS, max(0.0, retry_after or 0.0) * 1000)
    return max(int(asked), LEAST_MS, int(chance * ceiling))
