"""Schedule expressions of EventBridge Scheduler, as AWS accepts them.

rate(5 minutes)        a positive whole number; minute, hour, day for 1, else minutes, hours, days
cron(0 9 * * ? *)      minutes, hours, day of month, month, day of week, year
at(2027-01-15T08:00:00)
"""

import re
from datetime import datetime

from millrace.pipelines.expressions.times import is_zone

SCHEDULE = r"^(rate|cron|at)\([^()]{1,200}\)$"
SHAPES = "Give rate(5 minutes), cron(0 9 * * ? *) or at(2027-01-15T08:00:00)."
_RATE = re.compile(r"([0-9]{1,9}) +(minute|hour|day)(s?)")
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_MONTHS = dict(zip("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), range(1, 13), strict=True))
_DAYS = dict(zip("SUN MON TUE WED THU FRI SAT".split(), range(1, 8), strict=True))
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, {}),
)
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_LONGEST = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


def check_schedule(expression: str) -> None:
    """Raise `ValueError` for an expression that AWS would reject, or that could never fire."""
    kind, _, rest = expression.partition("(")
    {"rate": _check_rate, "cron": _check_cron, "at": _check_at}[kind](rest.removesuffix(")"))


def check_timezone(name: str) -> None:
    """Raise `ValueError` for a name that is not in the time zone database."""
    if not is_zone(name):
        raise ValueError(f"{name!r} is not a time zone: use a name such as Europe/Berlin or UTC.")


def once_at(expression: str) -> datetime | None:
    """Return the local time of an `at(...)` expression, or None for one that recurs."""
    return datetime.fromisoformat(expression[3:-1]) if expression.startswith("at(") else None


def _check_rate(text: str) -> None:
    found = _RATE.fullmatch(text)
    if not found or int(found[1]) < 1:
        raise ValueError(
            "A rate must be a positive whole number and minutes, hours or days: rate(5 minutes)."
        )
    if (found[1] == "1") == bool(found[3]):
        one = f"rate(1 {found[2]})" if int(found[1]) == 1 else f"rate({int(found[1])} {found[2]}s)"
        raise ValueError(f"AWS requires the singular for 1 and the plural otherwise: {one}.")


def _check_at(text: str) -> None:
    try:
        if not _AT.fullmatch(text):
            raise ValueError
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("at(...) needs a date and time without a zone: at(2027-01-15T08:00:00).") from None


def _check_cron(text: str) -> None:
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"cron(...) needs six fields (minutes hours day-of-month month day-of-week year), not "
            f"{len(fields)}: cron(0 9 * * ? *)."
        )
    for at, field in enumerate(fields):
        _check_field(at, field.upper())
    if (fields[_DAY_OF_MONTH] == "?") == (fields[_DAY_OF_WEEK] == "?"):
        raise ValueError("One of day of month and day of week must be `?`, and only one.")
    _check_possible(fields[_DAY_OF_MONTH], fields[3].upper())


def _check_field(at: int, field: str) -> None:
    name, lowest, highest, names = _FIELDS[at]
    if field == "?" and at in (_DAY_OF_MONTH, _DAY_OF_WEEK):
        return
    if not all(_is_part(at, part, lowest, highest, names) for part in field.split(",")):
        raise ValueError(f"{field!r} is not allowed as {name} ({lowest} to {highest}).")


def _is_part(at: int, part: str, lowest: int, highest: int, names: dict[str, int]) -> bool:
    """Return whether a list item is valid:

    `*`, a value or a range, with or without a step, or a day field's letters.
    """
    if at == _DAY_OF_MONTH and re.fullmatch(r"L|LW|L-([1-9]|[12][0-9]|30)|([1-9]|[12][0-9]|3[01])W", part):
        return True
    if at == _DAY_OF_WEEK and re.fullmatch(r"L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])", part):
        return True
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 1 <= int(step[:5]) <= highest):
        return False
    if span == "*":
        return True
    ends = [_number(end, names) for end in span.split("-")]
    if len(ends) > 2 or any(end is None or not lowest <= end <= highest for end in ends):
        return False
    return len(ends) == 1 or (ends[0] or 0) <= (ends[1] or 0) or bool(names)


def _number(text: str, names: dict[str, int]) -> int | None:
    if text in names:
        return names[text]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None


def _check_possible(day: str, month: str) -> None:
    """Raise for a single day that the given months do not have, such as February 30."""
    if not day.isdigit() or not re.fullmatch(r"[0-9A-Z]+(,[0-9A-Z]+)*", month):
        return
    months = [number for part in month.split(",") if (number := _number(part, _MONTHS)) is not None]
    if months and all(int(day) > _LONGEST[number] for number in months):
        raise ValueError(f"Month {month} has no day {day}.")
