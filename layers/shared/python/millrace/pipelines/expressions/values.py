"""The operators of the expression language on JSON values.

Null passes through arithmetic. Every function raises `EvaluationError` and nothing else.
"""

import math
from collections.abc import Iterable
from typing import Any

import orjson

from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.limits import LONG_TEXT, PAYLOAD_DEPTH, STRING_CHARACTERS
from millrace.pipelines.sizes import expanded_size
from millrace.pipelines.work import charge

Value = Any
_INT64 = 2**63
_NESTED = frozenset((dict, list))
_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}


def kind(value: Value) -> str:
    """Return the value's type as words for messages."""
    return "null" if value is None else _NAMES.get(type(value), "an object")


def is_number(value: Value) -> bool:
    """Return whether a value is an integer or a float; a boolean is not a number."""
    return type(value) is int or type(value) is float


def number(value: Value) -> Value:
    """Return a result in JSON's range: null for inf and nan, a float beyond 64 bits."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return value if -_INT64 <= value < _INT64 else _as_float(value)


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def shortest(value: float) -> int | float | None:
    """Return a finished aggregate: an integer for an exact one (up to 2**53), null for inf and nan."""
    if not math.isfinite(value):
        return None
    return int(value) if abs(value) <= 2**53 and value.is_integer() else value


def check_depth(value: Value, deepest: int = PAYLOAD_DEPTH) -> None:
    """Raise if lists and objects are nested deeper than `deepest`, because JSON encoders have such limits."""
    # Level by level, because recursion could exhaust the stack before the limit is reached.
    level = [value]
    for _ in range(deepest):
        level = [inner for each in level for inner in _inside(each) if type(inner) in _NESTED]
        if not level:
            return
    if any(level):
        raise EvaluationError(f"The value is nested deeper than {deepest}.")


def _inside(value: Value) -> Iterable[Value]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def check_length(characters: int) -> None:
    """Raise unless a string of this many characters may be built."""
    if characters > STRING_CHARACTERS:
        raise EvaluationError(
            f"The result would have {characters:,} characters; at most {STRING_CHARACTERS:,} are allowed."
        )
    charge_text(characters)


def charge_text(characters: int) -> None:
    """Count the work of reading or building a long text. Raises as `charge` does."""
    if characters > LONG_TEXT:
        charge(characters >> 6)


def text(value: Value) -> str:
    """Return a value as text: null is "", strings are unchanged, other values are JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) in _NESTED:
        _check_size(value)
    try:
        result = orjson.dumps(value).decode()
    except (TypeError, RecursionError, UnicodeError) as error:
        raise EvaluationError(f"{kind(value).capitalize()} cannot be written as text: {error}.") from None
    check_length(len(result))
    return result


def _check_size(value: Value) -> None:
    """Check the size before encoding, because shared parts may make the text huge."""
    size = expanded_size(value)
    charge(min(size, 4 * STRING_CHARACTERS) >> 3)
    if size > 4 * STRING_CHARACTERS:  # no character counts as more than four bytes
        check_length(size // 4)


def concat(*values: Value) -> str:
    """Return all values as one text; null becomes ""."""
    try:
        length = sum(map(len, values))
        if length <= STRING_CHARACTERS:
            return "".join(values)
    except TypeError:
        pass
    texts = [text(value) for value in values]
    check_length(sum(map(len, texts)))
    return "".join(texts)


def equal(left: Value, right: Value, depth: int = 0) -> bool:
    """Compare deeply and by type: 1 == 1.0, but true != 1 and "1" != 1."""
    if type(left) is not type(right):
        return is_number(left) and is_number(right) and bool(left == right)
    if type(left) is list:
        charge(2 * len(left) + 1)
        return len(left) == len(right) and _all_equal(zip(left, right, strict=True), depth)
    if type(left) is dict:
        charge(2 * len(left) + 1)
        pairs = ((value, right[key]) for key, value in left.items())
        return left.keys() == right.keys() and _all_equal(pairs, depth)
    return bool(left == right)


def _all_equal(pairs: Iterable[tuple[Value, Value]], depth: int) -> bool:
    if depth >= PAYLOAD_DEPTH:
        raise EvaluationError(f"Values nested deeper than {PAYLOAD_DEPTH} cannot be compared.")
    return all(equal(left, right, depth + 1) for left, right in pairs)


def not_equal(left: Value, right: Value) -> bool:
    return not equal(left, right)


def comparable(left: Value, right: Value) -> bool:
    """Return whether two values have an order: only numbers with numbers, and strings with strings."""
    if type(left) is str:
        return type(right) is str
    return is_number(left) and is_number(right)


def less(left: Value, right: Value) -> bool:
    return comparable(left, right) and bool(left < right)


def less_or_equal(left: Value, right: Value) -> bool:
    return comparable(left, right) and bool(left <= right)


def greater(left: Value, right: Value) -> bool:
    return comparable(left, right) and bool(left > right)


def greater_or_equal(left: Value, right: Value) -> bool:
    return comparable(left, right) and bool(left >= right)


def contains(container: Value, item: Value) -> bool:
    """Return whether a string has a substring, a list a member, or an object a key; false for other types."""
    if type(container) is str:
        charge_text(len(container))
        return type(item) is str and item in container
    if type(container) is list:
        charge(len(container))
        return any(equal(item, member) for member in container)
    return type(container) is dict and type(item) is str and item in container


def within(item: Value, container: Value) -> bool:
    """Return `item in container`."""
    return contains(container, item)


def _operands(operator: str, left: Value, right: Value) -> bool:
    """Return False if null passes through. Raises unless both are numbers."""
    if is_number(left) and is_number(right):
        return True
    if left is None or right is None:
        return False
    raise EvaluationError(f"`{operator}` needs numbers, not {kind(left)} and {kind(right)}.")


def out_of_range(operation: str) -> EvaluationError:
    """Return the error of arithmetic with infinity, not-a-number, or an integer that no float can hold."""
    return EvaluationError(f"`{operation}` cannot compute with a number of this size.")


def add(left: Value, right: Value) -> Value:
    if type(left) is str or type(right) is str:
        return None if left is None or right is None else concat(left, right)
    try:
        return number(left + right) if _operands("+", left, right) else None
    except OverflowError:
        raise out_of_range("+") from None


def subtract(left: Value, right: Value) -> Value:
    try:
        return number(left - right) if _operands("-", left, right) else None
    except OverflowError:
        raise out_of_range("-") from None


def multiply(left: Value, right: Value) -> Value:
    try:
        return number(left * right) if _operands("*", left, right) else None
    except OverflowError:
        raise out_of_range("*") from None


def divide(left: Value, right: Value) -> Value:
    """Divide. An exact quotient of integers stays an integer; division by zero gives null."""
    if not _operands("/", left, right) or right == 0:
        return None
    # Through floats, a quotient above 2**53 would not be exact.
    if type(left) is int and type(right) is int and left % right == 0:
        return number(left // right)
    try:
        return number(left / right)
    except OverflowError:
        raise out_of_range("/") from None


def remainder(left: Value, right: Value) -> Value:
    """Return the remainder with the sign of the left side (as in SQL and JavaScript); null for zero."""
    if not _operands("%", left, right) or right == 0:
        return None
    if type(left) is int and type(right) is int:
        # `math.fmod` would convert the integers to floats, which are not exact above 2**53.
        return number(abs(left) % abs(right) * (-1 if left < 0 else 1))
    try:
        return number(math.fmod(left, right))
    except (OverflowError, ValueError):
        raise out_of_range("%") from None


def negate(value: Value) -> Value:
    if value is None:
        return None
    if not is_number(value):
        raise EvaluationError(f"`-` needs a number, not {kind(value)}.")
    return number(-value)


def invert(value: Value) -> bool:
    """`!value`: only true is true."""
    return value is not True


def item(target: Value, key: Value) -> Value:
    """`target[key]`: a string key of an object, an index from 0 of a list, otherwise null."""
    if type(target) is dict:
        return target.get(key) if type(key) is str else None
    if type(target) is list and type(key) is int:
        return target[key] if 0 <= key < len(target) else None
    return None
