"""Aggregate functions over the rows of one group.

Nulls, and for numeric functions everything that is no number, are left out and counted as skipped. Results
do not depend on the order of rows: sums use `math.fsum`, first and last go by (time, id).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.fields import field_column
from millrace.pipelines.expressions.values import Value, is_number, kind, shortest
from millrace.pipelines.state.rows import ColumnKind, Rows, canonical

Numbers = Sequence[float]
_ROW_BYTES = 100_000
_KNOWN_KEYS = 10_000
_ORDERED = ("first", "last")
_BY_VALUE = ("count", "countDistinct", *_ORDERED)


def total(numbers: Numbers) -> float:
    """The correctly rounded sum; inf where it has no place in 64 bits."""
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf


def mean(numbers: Numbers) -> float:
    return total(numbers) / len(numbers)


def deviation(numbers: Numbers) -> float:
    """The sample's standard deviation (n - 1), as PostgreSQL's `stddev`; nan for a single number."""
    if len(numbers) < 2:
        return math.nan
    middle = mean(numbers)
    return math.sqrt(
        total([(number - middle) * (number - middle) for number in numbers]) / (len(numbers) - 1)
    )


def percentile(numbers: Numbers, p: float) -> float:
    """Interpolated between the two nearest ranks, as PostgreSQL's `percentile_cont`."""
    ordered = sorted(numbers)
    place = (len(ordered) - 1) * p / 100
    low = math.floor(place)
    if place == low:
        return ordered[low]
    high = low + 1
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _percentile(p: float) -> Callable[[Numbers], float]:
    return lambda numbers: percentile(numbers, p)


_NUMERIC: dict[str, Callable[[Numbers], float]] = {
    "sum": total,
    "avg": mean,
    "min": min,
    "max": max,
    "stddev": deviation,
    **{f"p{p}": _percentile(p) for p in (50, 90, 95, 99)},
}


@dataclass(frozen=True, slots=True)
class _Output:
    name: str
    function: str
    column: int
    numeric: Callable[[Numbers], float] | None


class Grouping:
    """`groupBy` and `aggregations` compiled: events to rows, rows of a group to its values."""

    def __init__(self, group_by: list[str], aggregations: list[Aggregation]) -> None:
        self.group_by = group_by
        self._known: dict[str, bytes] = {}
        self._fields = [field_column(field) for field in group_by]
        self.named = any(each.function in _ORDERED for each in aggregations)
        places: dict[tuple[str, ColumnKind], int] = {}
        self._outputs = [_output(each, places) for each in aggregations]
        self.kinds: tuple[ColumnKind, ...] = tuple(kind for _, kind in places)
        self._columns = [(field_column(field), kind) for field, kind in places]

    def empty(self) -> Rows:
        return Rows(self.kinds, self.named)

    def keys(self, payloads: Sequence[Payload], events: Sequence[Event]) -> list[bytes]:
        """Each event's group, canonical. Raises `EvaluationError` if one has values that are no group."""
        if len(self._fields) == 1:
            return self._keys_of_one(self._fields[0](payloads, events))
        if not self._fields:
            return [b"[]"] * len(payloads)
        columns = [field(payloads, events) for field in self._fields]
        return [group_key(values) for values in zip(*columns, strict=True)]

    def _keys_of_one(self, column: Sequence[Value]) -> list[bytes]:
        """Texts repeat, so each distinct one is written once (other values are not looked up: 1 is True)."""
        if set(map(type, column)) != {str}:
            return [group_key([value]) for value in column]
        if len(self._known) > _KNOWN_KEYS:
            self._known.clear()
        known = self._known
        known.update((text, group_key([text])) for text in set(column) - known.keys())
        return list(map(known.__getitem__, column))

    def cells(self, payloads: Sequence[Payload], events: Sequence[Event]) -> list[Sequence[Value]]:
        """What is kept of the events, by column. Raises `EvaluationError` where that is too much."""
        columns = [_cells(field(payloads, events), kind) for field, kind in self._columns]
        values = [column for column, kind in zip(columns, self.kinds, strict=True) if kind == "value"]
        for row in zip(*values, strict=True):
            if sum(len(canonical(cell)) for cell in row) > _ROW_BYTES:
                raise EvaluationError(f"The aggregated values exceed {_ROW_BYTES:,} bytes in one event.")
        return columns

    def group(self, key: bytes) -> dict[str, Value]:
        """A key as an object, for outputs."""
        return dict(zip(self.group_by, read_key(key), strict=True))

    def values(self, rows: Rows, members: list[int]) -> tuple[dict[str, Value], dict[str, int]]:
        """The aggregates over the rows `members`, and how many values each one skipped (where any)."""
        results, skipped = {}, {}
        for output in self._outputs:
            value, used = _result(output, rows, members)
            results[output.name] = value
            if used < len(members):
                skipped[output.name] = len(members) - used
        return results, skipped


def _cells(column: Sequence[Value], kept: ColumnKind) -> Sequence[Value]:
    if kept == "value":
        return column
    if {int, float}.issuperset(map(type, column)):
        return list(map(float, column))
    return [float(value) if is_number(value) else None for value in column]


def group_key(values: Sequence[Value]) -> bytes:
    """Raises `EvaluationError` for lists and objects, which are no groups, and for overlong texts."""
    for value in values:
        if isinstance(value, list | dict):
            raise EvaluationError(f"{kind(value).capitalize()} cannot be a group: group by a field of it.")
    key = b"[" + b",".join(map(canonical, values)) + b"]"
    if len(key) > _ROW_BYTES:
        raise EvaluationError(f"The values of `groupBy` exceed {_ROW_BYTES:,} bytes.")
    return key


def read_key(key: bytes) -> list[Value]:
    """The values of a group's key."""
    values: list[Value] = orjson.loads(key)
    return values


def _output(aggregation: Aggregation, places: dict[tuple[str, ColumnKind], int]) -> _Output:
    if aggregation.field == "*":
        return _Output(aggregation.name, "rows", -1, None)
    kept: ColumnKind = "value" if aggregation.function in _BY_VALUE else "number"
    column = places.setdefault((aggregation.field, kept), len(places))
    numeric = _NUMERIC.get(aggregation.function)
    if aggregation.p is not None:
        numeric = _percentile(aggregation.p)
    return _Output(aggregation.name, aggregation.function, column, numeric)


def _result(output: _Output, rows: Rows, members: list[int]) -> tuple[Value, int]:
    """One aggregate, and how many rows it used."""
    if output.column < 0:
        return len(members), len(members)
    column = rows.columns[output.column]
    if output.numeric:
        numbers: list[Any] = [value for row in members if (value := column[row]) is not None]
        return (shortest(output.numeric(numbers)) if numbers else None), len(numbers)
    used = [row for row in members if column[row] is not None]
    return _by_value(output.function, rows, column, used), len(used)


def _by_value(function: str, rows: Rows, column: list[Value], used: list[int]) -> Value:
    if function == "count":
        return len(used)
    if function == "countDistinct":
        return len({canonical(column[row]) for row in used})
    if not used:
        return None
    pick = min if function == "first" else max
    return column[pick(used, key=lambda row: (rows.times[row], rows.names[row]))]
