"""Conditions with three outcomes: true, false, or undecided.

Elsewhere, comparisons with null or of different types are false. That is right for filters, but wrong for a
rule that prevents something: a missing amount is not a small one.
"""

from collections.abc import Callable, Iterator
from typing import Any

from millrace.domain.clock import now_ms
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Compiler, Scalar
from millrace.pipelines.expressions.expression import compile_expression, syntax
from millrace.pipelines.expressions.fields_read import inner_nodes
from millrace.pipelines.expressions.functions import FUNCTIONS
from millrace.pipelines.expressions.syntax import Literal, Node, Operation, Path

_ORDERS = frozenset({"<", "<=", ">", ">="})
_COMPARES = _ORDERS | {"==", "!=", "in"}

Verdict = Callable[[Payload], bool | None]


def compile_condition(source: str) -> Verdict:
    """Compile an expression to a test of a payload that returns True, False, or None if undecided.

    It is undecided if it fails, returns a different type, reads a field that is null or missing, or compares
    different types. Raises `InvalidExpression`.
    """
    evaluate = compile_expression(source).evaluate
    compiler = Compiler(source, FUNCTIONS)
    nodes = list(_all(syntax(source)))
    read = [compiler.scalar(node) for node in nodes if isinstance(node, Path) and node.root == "$event"]
    compared = [
        (node.operator, [compiler.scalar(each) for each in node.operands if not _is_null(each)])
        for node in nodes
        if isinstance(node, Operation) and node.operator in _COMPARES
    ]

    def verdict(payload: Payload) -> bool | None:
        now = now_ms()
        event = Event(payload, "condition", time=now, ingested=now)
        try:
            if any(field(payload, event) is None for field in read):
                return None
            if not all(_comparable(operator, operands, payload, event) for operator, operands in compared):
                return None
            value = evaluate(payload, event)
        except (EvaluationError, ArithmeticError, ValueError, TypeError, RecursionError):
            return None  # for example, numbers that are too large
        return value if isinstance(value, bool) else None

    return verdict


def _comparable(operator: str, operands: list[Scalar], payload: Payload, event: Event) -> bool:
    values = [operand(payload, event) for operand in operands]
    if any(value is None for value in values):
        return False
    return operator not in _ORDERS or len({_kind(value) for value in values}) == 1


def _kind(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number and value == value else type(value).__name__ if not is_number else "nan"


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _all(node: Node) -> Iterator[Node]:
    yield node
    for inner in inner_nodes(node):
        yield from _all(inner)
