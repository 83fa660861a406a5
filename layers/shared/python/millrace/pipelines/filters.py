"""Compiled filters: a condition tree as a predicate over a chunk of events.

eq and neq compare types (neq of a missing field is true). The order of different types is false. contains is
substring, list member or object key. regex is unanchored and matches only strings. Filters never fail, except
because of too much work.
"""

from collections.abc import Callable
from typing import Any

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.conditions import AllOf, AnyOf, Condition, ConditionTree, NotOf
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions import values
from millrace.pipelines.expressions.fields import field_column, parent_and_name
from millrace.pipelines.expressions.patterns import Pattern
from millrace.pipelines.work import TooMuchWork

Filter = Callable[[Chunk], list[bool]]
Test = Callable[[Any], bool]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": values.equal,
    "neq": values.not_equal,
    "gt": values.greater,
    "gte": values.greater_or_equal,
    "lt": values.less,
    "lte": values.less_or_equal,
    "contains": values.contains,
    "in": values.within,
}


def compile_filter(tree: ConditionTree) -> Filter:
    """Return a closure that tells which events of a chunk pass."""
    match tree:
        case AllOf(all_of=parts):
            return _combined(all, parts)
        case AnyOf(any_of=parts):
            return _combined(any, parts)
        case NotOf(not_of=part):
            inner = compile_filter(part)
            return lambda chunk: [not passed for passed in inner(chunk)]
    return _condition(tree)


def _combined(join: Callable[[Any], bool], parts: list[ConditionTree]) -> Filter:
    masks = [compile_filter(part) for part in parts]

    def combined(chunk: Chunk) -> list[bool]:
        return list(map(join, zip(*(mask(chunk) for mask in masks), strict=True)))

    return combined


def _condition(condition: Condition) -> Filter:
    if condition.operator == "exists":
        return _existence(condition)
    column, expected = field_column(condition.field), condition.value
    if condition.operator == "eq" and type(expected) is str:
        # A string only equals strings, so Python's comparison is strict enough.
        return lambda chunk: [value == expected for value in column(chunk)]
    test = _test(condition)
    return lambda chunk: list(map(test, column(chunk)))


def _test(condition: Condition) -> Test:
    expected = condition.value
    if condition.operator == "regex":
        found_in = Pattern(expected).found_in
        return lambda value: type(value) is str and found_in(value)
    compare = _COMPARISONS[condition.operator]

    def test(value: Any) -> bool:
        try:
            return compare(value, expected)
        except TooMuchWork:
            raise
        except EvaluationError:  # nested too deeply to compare, so not equal to a value in a definition
            return condition.operator == "neq"

    return test


def _existence(condition: Condition) -> Filter:
    parents, name = parent_and_name(condition.field)
    wanted = condition.value is not False
    if type(name) is int:
        return lambda chunk: [(type(each) is list and name < len(each)) is wanted for each in parents(chunk)]
    return lambda chunk: [(type(each) is dict and name in each) is wanted for each in parents(chunk)]
