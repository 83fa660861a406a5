"""`map`: a new payload from expressions, compiled to one closure per field."""

from typing import Any

from millrace.pipelines.chunk import Chunk, Column, MappedChunk
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Scalar, constant, one_by_one, or_null, repeated
from millrace.pipelines.expressions.expression import Expression, compile_expression
from millrace.pipelines.expressions.functions import FUNCTIONS, Function


class Mapping:
    """`row` maps one event, `over` a chunk. Both raise `EvaluationError`; with `null_on_error` a field of
    `row` that fails is null instead."""

    def __init__(
        self,
        fields: dict[str, Any],
        null_on_error: bool = False,
        functions: dict[str, Function] = FUNCTIONS,
    ) -> None:
        compiled = {name: _value(value, functions) for name, value in fields.items()}
        self._columns: dict[str, Column] = {name: each.column for name, each in compiled.items()}
        self._risky = [name for name, each in compiled.items() if not each.is_safe]
        self._scalars = [
            (name, or_null(each.evaluate) if null_on_error else each.evaluate)
            for name, each in compiled.items()
        ]

    def row(self, payload: Payload, event: Event) -> Payload:
        return {name: scalar(payload, event) for name, scalar in self._scalars}

    def over(self, chunk: Chunk) -> Chunk:
        """What may fail is evaluated here, so that an error is this step's; the rest when it is asked for."""
        return MappedChunk(chunk, self._columns, {name: self._columns[name](chunk) for name in self._risky})


def _value(value: Any, functions: dict[str, Function]) -> Expression:
    """A field's value: an expression, a literal, or objects and lists of such."""
    if isinstance(value, str):
        return compile_expression(value, functions)
    if isinstance(value, dict):
        scalar = _object([(name, _value(each, functions).evaluate) for name, each in value.items()])
    elif isinstance(value, list):
        scalar = _list([_value(each, functions).evaluate for each in value])
    else:
        return Expression(str(value), constant(value), repeated(value), is_constant=True, is_safe=True)
    return Expression(str(value), scalar, one_by_one(scalar))


def _object(parts: list[tuple[str, Scalar]]) -> Scalar:
    return lambda payload, event: {name: part(payload, event) for name, part in parts}


def _list(parts: list[Scalar]) -> Scalar:
    return lambda payload, event: [part(payload, event) for part in parts]
