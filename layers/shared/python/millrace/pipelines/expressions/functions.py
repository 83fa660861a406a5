"""The functions of the expression language, in one table from which docs and checks are made.

`Function.call` gets plain values. It raises `EvaluationError` for values that it cannot process, and must be
pure, because a redelivered event has to give the same result. Packages add functions with the entry point
`millrace.expression_functions`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.extensions import extension
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions import builtin
from millrace.pipelines.expressions.times import zone
from millrace.pipelines.expressions.values import Value, concat, contains
from millrace.pipelines.limits import NODES

Form = Literal["plain", "coalesce", "has", "now", "matches"]


class Function(Struct, frozen=True):
    """A function.

    `form` marks the few functions that the compiler handles itself, because they need more than values.
    `checks` validate constant arguments, by position, and raise `EvaluationError`.
    """

    call: Callable[..., Value]
    fewest: int
    most: int
    summary: str
    examples: tuple[tuple[str, Value], ...]
    form: Form = "plain"
    checks: Mapping[int, Callable[[Value], object]] = field(default_factory=dict)


def _special(*_: Value) -> Value:
    """Stand in for the forms that the compiler handles itself."""
    raise AssertionError("never called")


_OWN: dict[str, Function] = {
    "upper": Function(
        builtin.upper, 1, 1, "The text in uppercase.", (('upper("ab")', "AB"), ("upper(null)", None))
    ),
    "lower": Function(builtin.lower, 1, 1, "The text in lowercase.", (('lower("AB")', "ab"),)),
    "trim": Function(
        builtin.trim, 1, 1, "The text without white space at its start and end.", (('trim("  a b ")', "a b"),)
    ),
    "length": Function(
        builtin.length,
        1,
        1,
        "The number of characters of a string, items of a list, or fields of an object.",
        (('length("héllo")', 5), ("length([1, 2])", 2)),
    ),
    "concat": Function(
        concat,
        1,
        NODES,
        'All arguments as one text; null reads as "".',
        (('concat("a", "-", 1)', "a-1"), ('concat("a", null)', "a")),
    ),
    "coalesce": Function(
        _special,
        1,
        NODES,
        "The first argument that is not null. The arguments after it are not evaluated.",
        (("coalesce(null, 0, 1)", 0),),
        "coalesce",
    ),
    "substring": Function(
        builtin.substring,
        2,
        3,
        "The characters from a position on (the first is 0): all of them, or a number of them.",
        (('substring("stream", 2)', "ream"), ('substring("stream", 0, 3)', "str")),
    ),
    "replace": Function(
        builtin.replace,
        3,
        3,
        "The text with every occurrence replaced. Patterns are not supported.",
        (('replace("a-b-c", "-", "+")', "a+b+c"),),
    ),
    "split": Function(
        builtin.split,
        2,
        2,
        "A list of the pieces between the separators.",
        (('split("a,b", ",")', ["a", "b"]),),
    ),
    "join": Function(
        builtin.join,
        1,
        2,
        'A list as one text, with a separator between; null reads as "".',
        (('join(["a", "b"], ", ")', "a, b"), ("join([1, 2])", "12")),
    ),
    "startsWith": Function(
        builtin.starts_with,
        2,
        2,
        "True if a string begins with another one.",
        (('startsWith("stream", "st")', True),),
    ),
    "endsWith": Function(
        builtin.ends_with,
        2,
        2,
        "True if a string ends with another one.",
        (('endsWith("stream", "am")', True),),
    ),
    "contains": Function(
        contains,
        2,
        2,
        "True if a string contains a substring, a list an item, or an object a field.",
        (('contains("stream", "tre")', True), ("contains([1, 2], 2)", True), ('contains([1], "1")', False)),
    ),
    "matches": Function(
        builtin.matches,
        2,
        2,
        "True if a regular expression (RE2) matches anywhere in a string.",
        (('matches("order-42", "[0-9]+$")', True), ('matches(null, "a")', False)),
        "matches",
    ),
    "toString": Function(
        builtin.to_string,
        1,
        1,
        "The value as text. Lists and objects become JSON.",
        (("toString(1.5)", "1.5"), ("toString([1])", "[1]")),
    ),
    "toNumber": Function(
        builtin.to_number,
        1,
        1,
        "The number that a text or a boolean stands for, or null if it stands for none.",
        (('toNumber(" 42 ")', 42), ('toNumber("4x")', None), ("toNumber(true)", 1)),
    ),
    "toBool": Function(
        builtin.to_bool,
        1,
        1,
        "true for true, yes, 1 and other numbers than 0; false for false, no, 0; null for other texts.",
        (('toBool("Yes")', True), ("toBool(0)", False), ('toBool("maybe")', None)),
    ),
    "round": Function(
        builtin.rounded,
        1,
        2,
        "The number rounded to a number of decimal places (0 by default), halves away from zero.",
        (("round(2.5)", 3), ("round(-2.5)", -3), ("round(3.14159, 2)", 3.14)),
    ),
    "floor": Function(
        builtin.floor, 1, 1, "The number rounded down to a whole number.", (("floor(-1.5)", -2),)
    ),
    "ceil": Function(builtin.ceil, 1, 1, "The number rounded up to a whole number.", (("ceil(1.2)", 2),)),
    "abs": Function(builtin.absolute, 1, 1, "The number without its sign.", (("abs(-3)", 3),)),
    "min": Function(
        builtin.minimum,
        1,
        NODES,
        "The smallest of the arguments, or of one list. Nulls are ignored.",
        (("min(3, 1, 2)", 1), ("min([4, null])", 4)),
    ),
    "max": Function(
        builtin.maximum,
        1,
        NODES,
        "The largest of the arguments, or of one list. Nulls are ignored.",
        (("max(3, 1, 2)", 3), ("max([])", None)),
    ),
    "has": Function(
        _special,
        1,
        1,
        "True if a field exists, even if it is null.",
        (("has($meta.id)", True), ("has(missing.field)", False)),
        "has",
    ),
    "now": Function(
        _special,
        0,
        0,
        "The time when the event was accepted, in epoch milliseconds. It stays the same on redelivery.",
        (("now()", 0),),
        "now",
    ),
    "parseTime": Function(
        builtin.parse_time,
        1,
        1,
        "An ISO 8601 text as epoch milliseconds (UTC unless the text says otherwise).",
        (('parseTime("1970-01-01T00:00:01Z")', 1000), ('parseTime("1970-01-01T01:00:00+01:00")', 0)),
    ),
    "formatTime": Function(
        builtin.format_time,
        1,
        3,
        "Epoch milliseconds or an ISO 8601 text as text, by strftime's codes; in UTC, or as the clocks of an "
        "IANA time zone show it, summer time included.",
        (
            ("formatTime(0)", "1970-01-01T00:00:00Z"),
            ('formatTime(86400000, "%Y-%m-%d")', "1970-01-02"),
            ('formatTime("2027-07-01T12:00:00Z", "%H:%M %Z", "Europe/Berlin")', "14:00 CEST"),
            ('formatTime(0, "%Y-%m-%dT%H:%M:%S%z", "America/New_York")', "1969-12-31T19:00:00-0500"),
        ),
        checks={2: zone},
    ),
    "sha256": Function(
        builtin.sha256,
        1,
        1,
        "The SHA-256 of a text in UTF-8, in hexadecimal.",
        (('substring(sha256("a"), 0, 8)', "ca978112"),),
    ),
}


class _Functions(dict[str, Function]):
    """The built-in functions, and those of other packages, which are looked up when their names are used."""

    def __missing__(self, name: str) -> Function:
        if (found := added_function(name)) is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Return the function of this name."""
        return super().get(name) or added_function(name) or default


FUNCTIONS: dict[str, Function] = _Functions(_OWN)
"""The functions of every expression."""


def added_function(name: str) -> Function | None:
    """Return a function of another package, or None if it does not exist or cannot be loaded.

    It is guarded: any exception, and any result that is not a JSON value, fails the event's step as an
    invalid argument does.
    """
    found = extension("expression_functions", name)
    if found is None or not isinstance(found.value, Function) or found.value.form != "plain":
        return None
    function: Function = found.value

    def call(*arguments: Value) -> Value:
        try:
            result = function.call(*arguments)
        except EvaluationError:
            raise
        except Exception as error:
            raise EvaluationError(f"`{name}` of {found.package} failed: {type(error).__name__}.") from error
        if not isinstance(result, str | int | float | bool | list | dict | None):
            raise EvaluationError(f"`{name}` of {found.package} did not return a JSON value.")
        return result

    return replace(function, call=call)


def call_problem(functions: dict[str, Function], name: str, arguments: int) -> str | None:
    """Return the mistake in a call of `name` with this number of arguments, or None."""
    function = functions.get(name)
    if function is None:
        return f"There is no function `{name}`. Known are {', '.join(sorted(functions))}."
    if function.fewest <= arguments <= function.most:
        return None
    return f"`{name}` takes {_count(function)}, not {arguments}."


def _count(function: Function) -> str:
    if function.fewest == function.most:
        return f"{function.fewest} argument{'' if function.fewest == 1 else 's'}"
    if function.most >= NODES:
        return f"{function.fewest} or more arguments"
    return f"{function.fewest} to {function.most} arguments"
