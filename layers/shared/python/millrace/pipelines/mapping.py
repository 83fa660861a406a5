"""`map`: a new payload from expressions, compiled to one closure per event and one per chunk."""

from collections.abc import Callable, Sequence
from typing import Any

from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Column, Scalar
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.functions import FUNCTIONS, Function
from millrace.pipelines.expressions.values import Value

Rows = Callable[[Sequence[Payload], Sequence[Event]], list[Payload]]


class Mapping:
    """`row` maps one event, `rows` a chunk. Both raise `EvaluationError`; with `null_on_error` a field that
    fails is null instead."""

    def __init__(
        self,
        fields: dict[str, Any],
        null_on_error: bool = False,
        functions: dict[str, Function] = FUNCTIONS,
    ) -> None:
        compiled = {name: _value(value, functions) for name, value in fields.items()}
        scalars = {name: scalar for name, (scalar, _) in compiled.items()}
        if null_on_error:
            scalars = {name: _forgiving(scalar) for name, scalar in scalars.items()}
        self._scalars = list(scalars.items())
        self.rows = _rows(list(compiled), [column for _, column in compiled.values()])

    def row(self, payload: Payload, event: Event) -> Payload:
        return {name: scalar(payload, event) for name, scalar in self._scalars}


def _value(value: Any, functions: dict[str, Function]) -> tuple[Scalar, Column]:
    """A field's value: an expression, a literal, or objects and lists of such."""
    if isinstance(value, str):
        expression = compile_expression(value, functions)
        return expression.evaluate, expression.column
    if isinstance(value, dict):
        scalar = _object([(name, _value(each, functions)[0]) for name, each in value.items()])
    elif isinstance(value, list):
        scalar = _list([_value(each, functions)[0] for each in value])
    else:
        return lambda payload, event: value, lambda payloads, events: [value] * len(payloads)
    return scalar, lambda payloads, events: list(map(scalar, payloads, events))


def _object(parts: list[tuple[str, Scalar]]) -> Scalar:
    return lambda payload, event: {name: part(payload, event) for name, part in parts}


def _list(parts: list[Scalar]) -> Scalar:
    return lambda payload, event: [part(payload, event) for part in parts]


def _forgiving(scalar: Scalar) -> Scalar:
    def forgiving(payload: Payload, event: Event) -> Value:
        try:
            return scalar(payload, event)
        except EvaluationError:
            return None

    return forgiving


def _rows(names: list[str], columns: list[Column]) -> Rows:
    """Columns to payloads. A dict display is twice as fast as `dict(zip(...))`, so the usual widths are
    spelled out."""
    build = _WIDTHS.get(len(names), _any_width)
    return lambda payloads, events: build(names, [make(payloads, events) for make in columns])


def _any_width(names: list[str], columns: list[Sequence[Value]]) -> list[Payload]:
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _three(names: list[str], columns: list[Sequence[Value]]) -> list[Payload]:
    i, j, k = names
    return [{i: a, j: b, k: c} for a, b, c in zip(*columns, strict=True)]


def _four(names: list[str], columns: list[Sequence[Value]]) -> list[Payload]:
    i, j, k, m = names
    return [{i: a, j: b, k: c, m: d} for a, b, c, d in zip(*columns, strict=True)]


def _five(names: list[str], columns: list[Sequence[Value]]) -> list[Payload]:
    i, j, k, m, n = names
    return [{i: a, j: b, k: c, m: d, n: e} for a, b, c, d, e in zip(*columns, strict=True)]


def _six(names: list[str], columns: list[Sequence[Value]]) -> list[Payload]:
    i, j, k, m, n, o = names
    return [{i: a, j: b, k: c, m: d, n: e, o: f} for a, b, c, d, e, f in zip(*columns, strict=True)]


_WIDTHS = {3: _three, 4: _four, 5: _five, 6: _six}
