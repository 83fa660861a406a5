"""Time as the product counts it: milliseconds since the epoch, ISO 8601 in UTC on the wire."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from millrace.errors import InvalidRequest

Clock = Callable[[], int]


def now_ms() -> int:
    """The wall clock, in milliseconds."""
    return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """`2026-11-21T03:18:00.123Z`."""
    stamp = datetime.fromtimestamp(ms / 1000, UTC)
    # The milliseconds come from the integer: those of `stamp` went through a float.
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def updated_time(clock: Clock, before: str | None) -> str:
    """The time of an update, and never the one `before`: conflicting updates are told apart by it."""
    now = clock()
    return iso(now) if iso(now) != before else iso(now + 1)


def from_iso(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 time. Raises `InvalidRequest`."""
    try:
        moment = datetime.fromisoformat(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"{text!r:.60} is not an ISO 8601 time.", code="invalid_time") from error
