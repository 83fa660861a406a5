"""Times: milliseconds since the epoch internally, ISO 8601 in UTC for clients."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from millrace.errors import InvalidRequest

Clock = Callable[[], int]


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """Return a time as ISO 8601: `2026-11-21T03:18:00.123Z`."""
    stamp = datetime.fromtimestamp(ms / 1000, UTC)
    # The milliseconds are taken from the integer, since `stamp` was computed with a float.
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def updated_time(clock: Clock, before: str | None) -> str:
    """Return the time of an update, which is always different from `before`, since conflicting updates are
    detected by it."""
    now = clock()
    return iso(now) if iso(now) != before else iso(now + 1)


def from_iso(text: str) -> int:
    """Return the milliseconds since the epoch of an ISO 8601 time. Raises `InvalidRequest`."""
    try:
        moment = datetime.fromisoformat(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"{text!r:.60} is not an ISO 8601 time.", code="invalid_time") from error
