"""Instants: epoch milliseconds internally, ISO 8601 externally."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.values import is_number, kind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
MAX_MS = 253_402_300_799_999
MIN_MS = -62_135_596_800_000
_LEAST_SECONDS, _LEAST_MS = 10**8, 10**11


def to_ms(value: Any) -> int:
    """Return the epoch milliseconds of a number (unchanged) or ISO 8601 text (UTC by default).

    Raises `EvaluationError` for anything else and for years outside 1 to 9999.
    """
    if is_number(value) and MIN_MS <= value <= MAX_MS:
        return int(value)
    if type(value) is str:
        return _parse(value)
    raise EvaluationError(
        f"A time must be ISO 8601 text or epoch milliseconds, not {kind(value)} {value!r:.40}."
    )


def instant(value: Any) -> int:
    """Return the epoch milliseconds of a foreign event's time: ISO 8601, epoch seconds or milliseconds.

    A number from 100 million to 100 billion counts as seconds (the years 1973 to 5138), every other one as
    milliseconds. Raises `EvaluationError` as `to_ms` does.
    """
    if is_number(value) and _LEAST_SECONDS <= value < _LEAST_MS:
        return int(value * 1000)
    return to_ms(value)


def _parse(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        # `timestamp()` is a float, whose product may be off by a millisecond when truncated.
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise EvaluationError(f"{text!r:.60} is not an ISO 8601 time.") from None


def to_datetime(ms: int | float) -> datetime:
    """Return an aware UTC datetime. Raises `EvaluationError` outside the years 1 to 9999."""
    if not MIN_MS <= ms <= MAX_MS:
        raise EvaluationError(f"{ms} is not a time in milliseconds between the years 1 and 9999.")
    return _EPOCH + timedelta(milliseconds=int(ms))


def zone(name: Any) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises `EvaluationError` for an unknown name."""
    if not is_zone(name):
        raise EvaluationError(
            f"{name!r:.60} is not a time zone: use an IANA name such as Europe/Berlin or UTC."
        )
    return ZoneInfo(name)


def is_zone(name: Any) -> bool:
    """Return whether a name is in the time zone database, in its exact spelling."""
    return type(name) is str and name in _names()


def in_zone(ms: int | float, name: Any) -> datetime:
    """Return a datetime in local time of a zone. Raises `EvaluationError` outside the years 1 to 9999."""
    time_zone = zone(name)
    try:
        return to_datetime(ms).astimezone(time_zone)
    except OverflowError:
        raise EvaluationError(f"{ms} is not a time between the years 1 and 9999 in {name}.") from None


@cache
def _names() -> frozenset[str]:
    """Return all names. Cached, because this reads the whole database."""
    return frozenset(available_timezones())
