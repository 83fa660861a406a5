"""`map`: a new payload from expressions, compiled to one closure for each field."""

from typing import Any

from msgspec import Struct

from millrace.pipelines.chunk import Chunk, Column, MappedChunk
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Scalar, constant, one_by_one, or_null, repeated
from millrace.pipelines.expressions.expression import Expression, compile_expression
from millrace.pipelines.expressions.functions import FUNCTIONS, Function
from millrace.pipelines.expressions.syntax import Literal, Operation, Path
from millrace.pipelines.sizes import (
    META_BYTES,
    NULL_BYTES,
    NUMBER_BYTES,
    Keys,
    expanded_size,
    growth,
    largest,
)


class Mapping:
    """A compiled `map`. `row` maps one event, `over` a chunk.

    Both raise `EvaluationError`. With `null_on_error`, a field of `row` that fails is null instead.
    """

    def __init__(
        self,
        fields: dict[str, Any],
        null_on_error: bool = False,
        functions: dict[str, Function] = FUNCTIONS,
    ) -> None:
        compiled = {name: _value(value, functions) for name, value in fields.items()}
        parts = [_parts_of(each) for each in compiled.values()]
        extra = (
            2 + sum(expanded_size(name) + NULL_BYTES for name in fields) + sum(each.extra for each in parts)
        )
        self._growth = growth([path for each in parts for path in each.paths], extra)
        self._open = [name for name, each in zip(compiled, parts, strict=True) if each.is_open]
        self._columns: dict[str, Column] = {name: each.column for name, each in compiled.items()}
        self._risky = [name for name, each in compiled.items() if not each.is_safe]
        self._scalars = [
            (name, or_null(each.evaluate) if null_on_error else each.evaluate)
            for name, each in compiled.items()
        ]

    def row(self, payload: Payload, event: Event) -> Payload:
        return {name: scalar(payload, event) for name, scalar in self._scalars}

    def over(self, chunk: Chunk) -> Chunk:
        """Map a chunk. Expressions that may fail are evaluated here, so that errors belong to this step.

        The others are evaluated when they are needed.
        """
        return MappedChunk(chunk, self._columns, {name: self._columns[name](chunk) for name in self._risky})

    def bound(self, mapped: Chunk, before: int) -> int:
        """Return an upper bound for the sizes of mapped payloads; `before` is one for their sources."""
        made = sum(largest(mapped.field((name,))) for name in self._open)
        return self._growth.of(before) + made


class _Parts(Struct, frozen=True):
    """The possible content of a field's value: values at some paths, and `extra` bytes.

    `is_open` means that it may be anything.
    """

    paths: tuple[Keys, ...] = ()
    extra: int = 0
    is_open: bool = False


def _parts_of(expression: Expression) -> _Parts:
    match expression.node:
        case Literal(value=value):
            return _Parts(extra=expanded_size(value))
        case Path(root="$event", keys=keys):
            return _Parts(paths=(keys,))
        case Path():
            return _Parts(extra=META_BYTES)
        case Operation(operator=operator) if operator not in _OPEN:
            return _Parts(extra=NUMBER_BYTES)
    return _Parts(is_open=True)


_OPEN = ("+", "?:", "??")
"""Operators with results other than numbers and booleans."""


def _value(value: Any, functions: dict[str, Function]) -> Expression:
    """Compile a field's value: an expression, a literal, or objects and lists of these."""
    if isinstance(value, str):
        return compile_expression(value, functions)
    if isinstance(value, dict):
        scalar = _object([(name, _value(each, functions).evaluate) for name, each in value.items()])
    elif isinstance(value, list):
        scalar = _list([_value(each, functions).evaluate for each in value])
    else:
        return Expression(
            str(value),
            constant(value),
            repeated(value),
            is_constant=True,
            is_safe=True,
            node=Literal(0, value),
        )
    return Expression(str(value), scalar, one_by_one(scalar))


def _object(parts: list[tuple[str, Scalar]]) -> Scalar:
    return lambda payload, event: {name: part(payload, event) for name, part in parts}


def _list(parts: list[Scalar]) -> Scalar:
    return lambda payload, event: [part(payload, event) for part in parts]
