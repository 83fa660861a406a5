"""The functions of the expression language.

Each gets plain values, is pure, and raises `EvaluationError` for values that it cannot process. Functions of
one value return null for null.
"""

import hashlib
import math
import re
from collections.abc import Callable

import orjson

from millrace.pipelines.errors import EvaluationError, InvalidExpression
from millrace.pipelines.expressions.patterns import Pattern
from millrace.pipelines.expressions.times import in_zone, to_ms
from millrace.pipelines.expressions.values import (
    Value,
    charge_text,
    check_length,
    is_number,
    kind,
    number,
    out_of_range,
    text,
)
from millrace.pipelines.limits import LIST_ITEMS, LONG_TEXT
from millrace.pipelines.work import charge

# The work of compiling a pattern, and of each of its instructions.
_PATTERN_WORK, _INSTRUCTION_WORK = 1_000, 50


def _wrong(function: str, needed: str, value: Value) -> EvaluationError:
    return EvaluationError(f"`{function}` needs {needed}, not {kind(value)}.")


def _string(function: str, value: Value) -> str:
    if type(value) is not str:
        raise _wrong(function, "a string", value)
    charge_text(len(value))
    return value


def _numeric(function: str, value: Value) -> int | float:
    if not is_number(value):
        raise _wrong(function, "a number", value)
    return value  # type: ignore[no-any-return]  # just checked


def _index(function: str, value: Value) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise _wrong(function, "a whole number", value)
    return value


def upper(value: Value) -> Value:
    if type(value) is str:
        capitals = value.upper()
        if len(capitals) > LONG_TEXT:
            check_length(len(capitals))
        return capitals
    return None if value is None else _string("upper", value)


def lower(value: Value) -> Value:
    if type(value) is str:
        if len(value) > LONG_TEXT:
            charge_text(len(value))
        return value.lower()
    return None if value is None else _string("lower", value)


def trim(value: Value) -> Value:
    return None if value is None else _string("trim", value).strip()


def length(value: Value) -> Value:
    if value is None:
        return None
    if type(value) in (str, list, dict):
        return len(value)
    raise _wrong("length", "a string, list or object", value)


def substring(value: Value, start: Value, count: Value = None) -> Value:
    if value is None or start is None:
        return None
    begin = max(0, _index("substring", start))
    end = None if count is None else begin + max(0, _index("substring", count))
    return _string("substring", value)[begin:end]


def replace(value: Value, old: Value, new: Value) -> Value:
    if value is None:
        return None
    whole, sought, other = (_string("replace", part) for part in (value, old, new))
    if not sought:
        return whole
    check_length(len(whole) + whole.count(sought) * (len(other) - len(sought)))
    return whole.replace(sought, other)


def split(value: Value, separator: Value) -> Value:
    if value is None:
        return None
    whole, delimiter = _string("split", value), _string("split", separator)
    if not delimiter:
        raise EvaluationError("`split` needs a separator of at least one character.")
    if whole.count(delimiter) >= LIST_ITEMS:
        raise EvaluationError(f"`split` would give more than {LIST_ITEMS:,} items.")
    return whole.split(delimiter)


def join(values: Value, separator: Value = "") -> Value:
    if values is None:
        return None
    if type(values) is not list:
        raise _wrong("join", "a list", values)
    delimiter = _string("join", separator)
    check_length(len(delimiter) * max(0, len(values) - 1))
    charge(len(values))
    texts = [text(value) for value in values]
    check_length(sum(map(len, texts)) + len(delimiter) * max(0, len(texts) - 1))
    return delimiter.join(texts)


def starts_with(value: Value, prefix: Value) -> bool:
    return type(value) is str and type(prefix) is str and value.startswith(prefix)


def ends_with(value: Value, suffix: Value) -> bool:
    return type(value) is str and type(suffix) is str and value.endswith(suffix)


def matches(value: Value, pattern: Value) -> bool:
    """Match a computed pattern, which is slow; a constant one is compiled with the expression."""
    if type(value) is not str or pattern is None:
        return False
    try:
        compiled = Pattern(_string("matches", pattern))
        charge(_PATTERN_WORK + _INSTRUCTION_WORK * compiled.size)
        return compiled.found_in(value)
    except InvalidExpression as error:
        raise EvaluationError(error.reason) from None


def to_string(value: Value) -> Value:
    return None if value is None else text(value)


def to_number(value: Value) -> Value:
    """Return null for text that is not a JSON number."""
    if type(value) is str:
        return _number_of(_string("toNumber", value).strip())
    if type(value) is bool:
        return int(value)
    return None if value is None else _numeric("toNumber", value)


def _number_of(digits: str) -> Value:
    try:
        # Python's own parsers also accept `1_000`, `inf` and digits of other scripts.
        parsed = orjson.loads(digits)
    except ValueError:
        return None
    return number(parsed) if is_number(parsed) else None


def to_bool(value: Value) -> Value:
    if value is None or type(value) is bool:
        return value
    if is_number(value):
        return value != 0
    word = _string("toBool", value).strip().lower()
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(word)


def rounded(value: Value, digits: Value = 0) -> Value:
    """Round half away from zero, with `digits` from -15 to 15 after the decimal point."""
    if value is None or digits is None:
        return None
    decimals = _index("round", digits)
    if not -15 <= decimals <= 15:
        raise EvaluationError("`round` needs a number of digits from -15 to 15.")
    return _whole("round", lambda given: _half_up(given, decimals), value)


def _whole(function: str, compute: Callable[[int | float], Value], value: Value) -> Value:
    """Apply a function that returns whole numbers. Raises for infinity and not-a-number."""
    given = _numeric(function, value)
    try:
        return number(compute(given))
    except (OverflowError, ValueError):
        raise out_of_range(function) from None


def _half_up(value: int | float, decimals: int) -> Value:
    scaled = abs(value) * 10.0**decimals
    # From here on, a float has no fractional part to round.
    if scaled >= 2**52:
        return value
    nearest = math.copysign(math.floor(scaled + 0.5), value)
    return number(nearest / 10.0**decimals) if decimals > 0 else int(nearest / 10.0**decimals)


def floor(value: Value) -> Value:
    return None if value is None else _whole("floor", math.floor, value)


def ceil(value: Value) -> Value:
    return None if value is None else _whole("ceil", math.ceil, value)


def absolute(value: Value) -> Value:
    return None if value is None else number(abs(_numeric("abs", value)))


def _numbers(function: str, values: tuple[Value, ...]) -> list[int | float]:
    items = values[0] if len(values) == 1 and type(values[0]) is list else values
    charge(len(items))
    return [_numeric(function, value) for value in items if value is not None]


def minimum(*values: Value) -> Value:
    return min(_numbers("min", values), default=None)


def maximum(*values: Value) -> Value:
    return max(_numbers("max", values), default=None)


def parse_time(value: Value) -> Value:
    return None if value is None else to_ms(value)


_TIME_CODE = re.compile("%(.?)", re.DOTALL)
_TIME_CODES = frozenset("YmdHMSfjaAbByGVuIp%Zz")


def format_time(value: Value, pattern: Value = "%Y-%m-%dT%H:%M:%SZ", place: Value = "UTC") -> Value:
    if value is None:
        return None
    shape = _string("formatTime", pattern)
    check_length(len(shape) * 12)
    if not _TIME_CODES.issuperset(_TIME_CODE.findall(shape)) or not shape.isascii() or "\0" in shape:
        raise EvaluationError(f"`formatTime` supports the codes {' '.join(sorted(_TIME_CODES))} after `%`.")
    return in_zone(to_ms(value), place).strftime(shape)


def sha256(value: Value) -> Value:
    if value is None:
        return None
    return hashlib.sha256(_string("sha256", value).encode("utf-8", "surrogatepass")).hexdigest()
