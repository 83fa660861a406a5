"""The current time, which no model knows."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millrace.agent.tools.function import repeatable
from millrace.domain.clock import now_ms
from millrace.errors import InvalidRequest


@repeatable
def current_time(timezone: str = "UTC") -> str:
    """The current date and time.

    Args:
        timezone: An IANA time zone such as "Europe/Berlin" or "America/New_York".
    """
    return described(datetime.fromtimestamp(now_ms() / 1000, UTC), timezone)


def described(moment: datetime, timezone: str) -> str:
    """Return a moment in a time zone, for a model to read. Raises `InvalidRequest` for an unknown zone."""
    local = moment.astimezone(_zone(timezone))
    return f"{local.isoformat(timespec='seconds')} ({local:%A}, {timezone})"


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # works even if the system has no time zones
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"There is no time zone {name[:64]!r}; use an IANA name such as Europe/Berlin or UTC."
        raise InvalidRequest(message, code="invalid_arguments") from None
