"""The expression language: precedence, null rules, limits, errors."""

import re
import time
from contextlib import suppress
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.errors import EvaluationError, InvalidExpression
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.functions import FUNCTIONS, Function

PAYLOAD: dict[str, Any] = {
    "a": True,
    "b": False,
    "n": 4,
    "f": 2.5,
    "s": "text",
    "nothing": None,
    "list": [1, "two", None],
    "user": {"id": "u1", "name": "Ada", "deep": {"er": {"est": 1}}},
    "first-name": "Ada",
    "in": 7,
}
EVENT = Event(PAYLOAD, "e1", "unit", "kind", 1_000, 2_000, "p1")


def value(source: str) -> Any:
    return compile_expression(source).evaluate(PAYLOAD, EVENT)


TABLE = [
    ("true && true || false", True),
    ("false && true || true", True),
    ("true || true && false", True),
    ("(true || true) && false", False),
    ("b && a || a", True),
    ("a && b || b", False),
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("10 - 2 - 3", 5),
    ("100 / 10 / 2", 5),
    ("-2 * -3", 6),
    ("- 2 + 3", 1),
    ("!a == b", True),
    ("!(a == b)", True),
    ("1 < 2 == true", True),
    ("1 + 1 == 2 && 2 < 3", True),
    ("nothing ?? missing ?? 3", 3),
    ("missing ?? n > 3", True),
    ("a ? 1 : b ? 2 : 3", 1),
    ("b ? 1 : a ? 2 : 3", 2),
    ("n ? 1 : 2", 2),
    ("missing ?? b ? 1 : 2", 2),
    ("1 in list", True),
    ("'two' in list", True),
    ("null in list", True),
    ("true in list", False),
    ("'id' in user", True),
    ("'ex' in s", True),
    ("1 in s", False),
    ("1 == 1.0", True),
    ("true == 1", False),
    ("'1' == 1", False),
    ("[1, [2]] == [1.0, [2]]", True),
    ("[1] == [true]", False),
    ("null == missing", True),
    ("7 / 2", 3.5),
    ("6 / 3", 2),
    ("6.0 / 4", 1.5),
    ("1 / 0", None),
    ("1 % 0", None),
    ("-7 % 3", -1),
    ("7.5 % 2", 1.5),
    ("1e308 * 10", None),
    ("9223372036854775807 + 1", 9.223372036854775808e18),
    ("s + 1", "text1"),
    ("1 + s", "1text"),
    ("s + missing", None),
    ("missing + 1", None),
    ("-missing", None),
    ("missing * 2", None),
    ("missing.field.deeper", None),
    ("s.field", None),
    ("list[0]", 1),
    ("list[3]", None),
    ("list[-1]", None),
    ("list['x']", None),
    ("user['name']", "Ada"),
    ("user.deep.er.est", 1),
    ("user[s]", None),
    ("$event['first-name']", "Ada"),
    ("$event.in", 7),
    ("$event == $event", True),
    ("$meta.id", "e1"),
    ("$meta.time", 1_000),
    ("$meta.pipelineId", "p1"),
    ("$meta.window.start", None),
    ("now()", 2_000),
    ("n > 3", True),
    ("n > '3'", False),
    ("'b' > 'a'", True),
    ("missing < 1", False),
    ("a > b", False),
    ("!missing", True),
    ("!n", True),
    ("n && a", False),
    ("has(user.name)", True),
    ("has(nothing)", True),
    ("has(user.missing)", False),
    ("has(list[0])", True),
    ("coalesce(missing, user.name, upper(5))", "Ada"),
    ("upper(missing)", None),
    ("concat(s, missing, n, a, list)", 'text4true[1,"two",null]'),
    ("matches(s, '^te')", True),
    ("matches(s, 'x' + '$')", False),
    ('"a\\n\\u00e9\\ud83d\\ude00"', "a\né😀"),
    ("[1, n, [s]]", [1, 4, ["text"]]),
]


@pytest.mark.parametrize(("source", "expected"), TABLE, ids=[source for source, _ in TABLE])
def test_expression_means_what_the_table_says(source: str, expected: Any) -> None:
    found = value(source)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("source", [source for source, _ in TABLE])
def test_column_gives_what_the_scalar_gives(source: str) -> None:
    expression = compile_expression(source)
    other = {"user": "no object", "s": 5}
    payloads = [PAYLOAD, other, PAYLOAD]
    chunk = Chunk(payloads, [EVENT] * 3)
    try:
        expected = [expression.evaluate(payload, EVENT) for payload in payloads]
    except EvaluationError:
        with pytest.raises(EvaluationError):
            expression.column(chunk)
    else:
        assert list(expression.column(chunk)) == expected


EXAMPLES = [(source, expected) for each in FUNCTIONS.values() for source, expected in each.examples]


@pytest.mark.parametrize(("source", "expected"), EXAMPLES, ids=[source for source, _ in EXAMPLES])
def test_example_of_the_reference_is_true(source: str, expected: Any) -> None:
    assert compile_expression(source).evaluate({}, Event({}, "")) == expected


def test_every_function_has_an_example() -> None:
    assert [name for name, function in FUNCTIONS.items() if not function.examples] == []


MISTAKES = [
    ("", 1, 1, "empty"),
    ("1 +", 1, 4, "Expected a value"),
    ("a\n  = b", 2, 3, "=="),
    ("upper()", 1, 1, "takes 1 argument"),
    ("a + nope(1)", 1, 5, "no function `nope`"),
    ("'abc", 1, 1, "closing quote"),
    ("a b", 1, 3, "Expected an operator"),
    ("a.1", 1, 3, "field's name"),
    ("user.name()", 1, 10, "Only a function's name"),
    ("[1, 2", 1, 6, "Expected `,`"),
    ("a ? b", 1, 6, "Expected `:`"),
    ("matches(s, '(')", 1, 12, "regular expression"),
    ("matches(s, '(?=x)')", 1, 12, "regular expression"),
    ("formatTime(t, '%H', 'Europe/Berln')", 1, 21, "not a time zone"),
    ("formatTime(t, '%H', '../etc/passwd')", 1, 21, "not a time zone"),
    ("formatTime(t, '%H', 'Europe')", 1, 21, "not a time zone"),
    ("formatTime(t, '%H', 'europe/' + 'berlin')", 1, 21, "not a time zone"),
    ("formatTime(t, '%H', null)", 1, 21, "not a time zone"),
    ("has(1)", 1, 5, "needs a field"),
    ("'\\q'", 1, 2, "escape"),
    ("'\\ud800'", 1, 2, "surrogate"),
    ("1e999", 1, 1, "too large"),
    ("$nope", 1, 1, "$event"),
    ("a & b", 1, 3, "&&"),
    ("#", 1, 1, "means nothing"),
]


@pytest.mark.parametrize(("source", "line", "column", "words"), MISTAKES)
def test_mistake_is_shown_where_it_is(source: str, line: int, column: int, words: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        compile_expression(source)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "source",
    [
        "1" * 2_001,
        "+".join(["1"] * 201),
        "(" * 33 + "1" + ")" * 33,
        "!" * 33 + "a",
        "[" * 33 + "]" * 33,
        "a" + ".b" * 300,
        "a ? b : " * 40 + "c",
        "matches(s, '" + "a" * 1_001 + "')",
    ],
)
def test_expression_beyond_a_limit_is_refused_when_compiled(source: str) -> None:
    with pytest.raises(InvalidExpression):
        compile_expression(source)


def test_longest_expressions_still_work() -> None:
    assert value("+".join(["1"] * 100)) == 100
    assert value("(" * 31 + "n" + ")" * 31) == 4


LONG = {"x": "y" * 200_000, "many": ["ab" * 100] * 5_000}


@pytest.mark.parametrize(
    "source",
    [
        "x + x",
        "concat(x, x)",
        "replace(x, 'y', 'yy')",
        "join(many, ',')",
        "split(x, 'y')",
        "toString(many)",
        "upper(5)",
        "true + 1",
        "'a' - 1",
        "-'a'",
        "length(5)",
        "substring('abc', 'x')",
        "join('abc')",
        "min(1, 'a')",
        "round(1, 99)",
        "parseTime('yesterday')",
        "formatTime(1e300)",
        "formatTime(0, '%Q')",
        "formatTime(0, '%')",
        "formatTime(0, '%H', x)",
        "formatTime(0, '%H', n)",
        "formatTime('0001-01-01', '%H', 'America/New_York')",
        "formatTime('9999-12-31T23:00:00Z', '%H', 'Asia/Tokyo')",
        "sha256(1)",
        "split('a', '')",
        "matches('a', x)",
    ],
)
def test_meaningless_or_too_large_result_fails_with_our_error(source: str) -> None:
    with pytest.raises(EvaluationError):
        compile_expression(source).evaluate(LONG, EVENT)


def test_comparing_what_is_nested_too_deeply_fails_with_our_error() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(EvaluationError):
        compile_expression("a == b").evaluate({"a": deep, "b": [deep[0]]}, EVENT)


def test_regex_bomb_is_linear() -> None:
    expression = compile_expression("matches(x, '^(a+)+$')")
    payload = {"x": "a" * 100_000 + "b"}
    begun = time.process_time()
    assert expression.evaluate(payload, EVENT) is False
    assert time.process_time() - begun < 5, "the stdlib would take longer than the universe"


def test_users_can_add_functions() -> None:
    double = Function(lambda number: number * 2, 1, 1, "Twice.", ())
    expression = compile_expression("double(n) + 1", FUNCTIONS | {"double": double})
    assert expression.evaluate(PAYLOAD, EVENT) == 9
    with pytest.raises(InvalidExpression):
        compile_expression("double(n)")


def test_constant_parts_are_evaluated_once() -> None:
    assert compile_expression("upper('a') + 1 * 2").is_constant
    assert not compile_expression("now()").is_constant
    assert not compile_expression("upper(5)").is_constant


PIECES = [*"ab.[]()+-*/%<>=!&|?:,'\"$ \n\\19eé", "user", "upper(", "$meta", "concat(", "matches(", "has("]
SOURCES = st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
LEAVES = st.sampled_from(
    ["a", "b", "a.b", "1", "0.5", "-3", "'x'", "null", "true", "[a, 1]", "$meta.id", "now()"]
)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||", "??"])
    calls = sorted((name, each.fewest) for name, each in FUNCTIONS.items() if name != "has")
    return (
        st.builds(lambda left, op, right: f"({left} {op} {right})", inner, binary, inner)
        | st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner)
        | st.builds(lambda a, b: f"{a}[{b}]", st.sampled_from(["a", "b", "$event"]), inner)
        | st.builds(
            lambda call, args: f"{call[0]}({', '.join(args[: call[1]])})",
            st.sampled_from(calls),
            st.lists(inner, min_size=3, max_size=3),
        )
    )


@given(SOURCES)
@settings(max_examples=500, deadline=None)
def test_parser_raises_only_its_own_error(source: str) -> None:
    try:
        expression = compile_expression(source)
        expression.evaluate(PAYLOAD, EVENT)
    except (InvalidExpression, EvaluationError) as error:
        raised = error.message
    else:
        raised = "-"
    assert raised


EXTREME = [
    float("inf"),
    float("-inf"),
    float("nan"),
    10**400,
    -(10**400),
    2**63,
    1e308,
    5e-324,
    0,
    7,
    True,
    None,
]
CALLS = [f"{name}({', '.join('ab'[: one.fewest])})" for name, one in FUNCTIONS.items() if one.fewest <= 2]
OPERATIONS = [f"a {sign} b" for sign in ("+", "-", "*", "/", "%", "<", "<=", "==", "in", "??", "&&")]


@pytest.mark.parametrize("source", [*OPERATIONS, *CALLS, "round(a, b)", "-a", "!a", "[a][b]", "a ? 1 : 2"])
def test_extreme_numbers_raise_nothing_but_evaluation_errors(source: str) -> None:
    for a, b in product(EXTREME, EXTREME):
        with suppress(InvalidExpression, EvaluationError):
            compile_expression(source).evaluate({"a": a, "b": b}, EVENT)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("a + 0.5", "+"),
        ("0.5 - a", "-"),
        ("a * 0.5", "*"),
        ("a / 3", "/"),
        ("a % 0.5", "%"),
        ("round(a)", "round"),
    ],
)
def test_number_that_is_too_large_for_an_operation_is_named(source: str, named: str) -> None:
    with pytest.raises(
        EvaluationError, match=re.escape(f"`{named}` cannot compute with a number of this size")
    ):
        compile_expression(source).evaluate({"a": 10**400 + 1}, EVENT)


@given(st.recursive(LEAVES, joined, max_leaves=12), st.fixed_dictionaries({"a": JSON, "b": JSON}))
@settings(max_examples=600, deadline=None)
def test_evaluation_fails_only_with_its_own_error_and_is_always_the_same(
    source: str, payload: dict[str, Any]
) -> None:
    event = Event(payload, "e", time=1, ingested=2)
    outcomes = []
    for _ in range(2):
        try:
            expression = compile_expression(source)
            outcomes.append(orjson.dumps(expression.evaluate(payload, event)))
            assert orjson.dumps(expression.column(Chunk([payload], [event]))[0]) == outcomes[-1]
        except (InvalidExpression, EvaluationError) as error:
            outcomes.append(error.message.encode("utf-8", "surrogatepass"))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("zone", "instants", "clocks"),
    [
        (
            "Europe/Berlin",
            ["2027-03-28T00:59Z", "2027-03-28T01:00Z", "2027-10-31T00:59Z", "2027-10-31T01:00Z"],
            ["01:59 CET +0100", "03:00 CEST +0200", "02:59 CEST +0200", "02:00 CET +0100"],
        ),
        (
            "America/New_York",
            ["2027-03-14T06:59Z", "2027-03-14T07:00Z", "2027-11-07T05:59Z", "2027-11-07T06:00Z"],
            ["01:59 EST -0500", "03:00 EDT -0400", "01:59 EDT -0400", "01:00 EST -0500"],
        ),
    ],
)
def test_format_time_shows_what_clocks_of_the_zone_show(
    zone: str, instants: list[str], clocks: list[str]
) -> None:
    written = compile_expression(f"formatTime(at, '%H:%M %Z %z', '{zone}')")
    read = compile_expression("formatTime(at, '%H:%M %Z %z', zone)")
    events = [Event({"at": at, "zone": zone}, "") for at in instants]
    assert written.column(Chunk([event.payload for event in events], events)) == clocks
    assert [read.evaluate(event.payload, event) for event in events] == clocks
