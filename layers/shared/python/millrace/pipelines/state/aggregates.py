"""Aggregate functions over the rows of one group.

Nulls, and for numeric functions all other types, are skipped and counted. Results do not depend on the order
of rows: sums use `math.fsum`, first and last use (time, id).
"""

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter

import orjson
from msgspec import Struct

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.fields import field_column
from millrace.pipelines.expressions.values import Value, is_number, kind, shortest
from millrace.pipelines.state.rows import Cells, ColumnKind, Rows, canonical, whole

Numbers = Sequence[float]
_ROW_BYTES = 100_000
_KNOWN_KEYS, _KNOWN_BYTES = 10_000, 100
_ORDERED = ("first", "last")
_NUMBERS = frozenset((int, float))
_BY_VALUE = ("count", "countDistinct", *_ORDERED)


def total(numbers: Numbers) -> float:
    """Return the correctly rounded sum, or inf if it is too large for 64 bits."""
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf


def mean(numbers: Numbers) -> float:
    return total(numbers) / len(numbers)


def deviation(numbers: Numbers) -> float:
    """Return the sample's standard deviation (n - 1) like PostgreSQL's `stddev`; nan for a single number."""
    if len(numbers) < 2:
        return math.nan
    # Two passes: with the sum of squares, large numbers that are close together would cancel out.
    middle = mean(numbers)
    return math.sqrt(
        total([(number - middle) * (number - middle) for number in numbers]) / (len(numbers) - 1)
    )


def percentile(numbers: Numbers, p: float) -> float:
    """Interpolate between the two nearest ranks, like PostgreSQL's `percentile_cont`."""
    ordered = sorted(numbers)
    rank = (len(ordered) - 1) * p / 100
    low = math.floor(rank)
    # At the last rank there is no next one to interpolate with.
    if rank == low:
        return ordered[low]
    high = low + 1
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


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


class _Output(Struct, frozen=True):
    name: str
    function: str
    column: int
    numeric: Callable[[Numbers], float] | None


class Grouping:
    """Compiled `groupBy` and `aggregations`: events to rows, and a group's rows to its values."""

    def __init__(self, group_by: list[str], aggregations: list[Aggregation]) -> None:
        self.group_by = group_by
        self._known: dict[str, bytes] = {}
        self._fields = [field_column(field) for field in group_by]
        self.named = any(each.function in _ORDERED for each in aggregations)
        positions: dict[tuple[str, ColumnKind], int] = {}
        self._outputs = [_output(each, positions) for each in aggregations]
        self.kinds: tuple[ColumnKind, ...] = tuple(kind for _, kind in positions)
        self._columns = [(field_column(field), kind) for field, kind in positions]

    def empty(self) -> Rows:
        return Rows(self.kinds, self.named)

    def rows(self, chunk: Chunk, ids: "array[int]", times: list[int]) -> Rows:
        """Return the rows to keep of the events. Raises as `add` does."""
        rows = self.empty()
        self.add(rows, chunk, ids, times)
        return rows

    def add(self, rows: Rows, chunk: Chunk, ids: "array[int]", times: list[int]) -> None:
        """Append the rows to keep of the events.

        Raises `EvaluationError` for an event with values that are too large or cannot be a group.
        """
        cells = self._cells(chunk)
        rows.groups.fromlist(self._groups(rows, chunk))
        for column, more in zip(rows.columns, cells, strict=True):
            column.extend(more)
        rows.ids.extend(ids)
        rows.times.fromlist(times)
        if self.named:
            rows.names += [event.id for event in chunk.events]

    def _groups(self, rows: Rows, chunk: Chunk) -> list[int]:
        """Return each event's group, adding new groups."""
        columns = [field(chunk) for field in self._fields]
        if len(columns) == 1 and set(map(type, columns[0])) == {str}:
            return self._groups_of_texts(rows, columns[0])
        values = zip(*columns, strict=True) if columns else repeat((), len(chunk))
        return rows.enter(map(group_key, values))

    def _groups_of_texts(self, rows: Rows, column: Sequence[str]) -> list[int]:
        """Return the groups of texts.

        Texts repeat, so each distinct one is encoded once (not for other types: 1 is True).
        """
        known = rows.texts
        fresh = [text for text in dict.fromkeys(column) if text not in known]
        keys = [self._known.get(text) or self._learnt(text) for text in fresh]
        known.update(zip(fresh, rows.enter(keys), strict=True))
        return list(map(known.__getitem__, column))

    def _learnt(self, text: str) -> bytes:
        """Return a text's key, and remember it if it is short."""
        key = _group_key([text])
        if len(key) <= _KNOWN_BYTES:
            if len(self._known) >= _KNOWN_KEYS:
                self._known.clear()
            self._known[text] = key
        return key

    def _cells(self, chunk: Chunk) -> list[Cells]:
        columns = [_column(field(chunk), kind) for field, kind in self._columns]
        values = [column for column, kind in zip(columns, self.kinds, strict=True) if kind == "value"]
        for row in zip(*values, strict=True):
            check_row(row)
        return columns

    def group(self, key: bytes) -> dict[str, Value]:
        """Return a key as an object, for outputs."""
        return dict(zip(self.group_by, read_key(key), strict=True))

    def values(self, rows: Rows, members: list[int]) -> tuple[dict[str, Value], dict[str, int]]:
        """Return the aggregates over the rows `members`, and the number of skipped values where there are
        any."""
        results, skipped = {}, {}
        for output in self._outputs:
            value, used = _result(output, rows, members)
            results[output.name] = value
            if used < len(members):
                skipped[output.name] = len(members) - used
        return results, skipped


def check_row(cells: Iterable[Value]) -> None:
    """Raise `EvaluationError` for values of one event that are too large to keep."""
    if sum(len(canonical(cell)) for cell in cells) > _ROW_BYTES:
        raise EvaluationError(f"The aggregated values exceed {_ROW_BYTES:,} bytes in one event.")


def _column(column: Sequence[Value], kept: ColumnKind) -> Cells:
    if kept == "value":
        return list(column)
    if _NUMBERS.issuperset(map(type, column)):
        return array("d", column)
    return array("d", [value if is_number(value) else math.nan for value in column])


def group_key(values: Sequence[Value]) -> bytes:
    """Return the key of a group. Raises `EvaluationError` for lists and objects, and for overlong texts."""
    for value in values:
        if type(value) in (list, dict):
            raise EvaluationError(f"{kind(value).capitalize()} cannot be a group: group by a field of it.")
    return _group_key(list(map(whole, values)))


def _group_key(values: list[Value]) -> bytes:
    key = canonical(values)
    if len(key) > _ROW_BYTES:
        raise EvaluationError(f"The values of `groupBy` exceed {_ROW_BYTES:,} bytes.")
    return key


def read_key(key: bytes) -> list[Value]:
    """Return the values of a group's key."""
    values: list[Value] = orjson.loads(key)
    return values


def _output(aggregation: Aggregation, positions: dict[tuple[str, ColumnKind], int]) -> _Output:
    if aggregation.field == "*":
        return _Output(aggregation.name, "rows", -1, None)
    kept: ColumnKind = "value" if aggregation.function in _BY_VALUE else "number"
    column = positions.setdefault((aggregation.field, kept), len(positions))
    numeric = _NUMERIC.get(aggregation.function)
    if aggregation.p is not None:
        numeric = _percentile(aggregation.p)
    return _Output(aggregation.name, aggregation.function, column, numeric)


def _result(output: _Output, rows: Rows, members: list[int]) -> tuple[Value, int]:
    """Return an aggregate, and the number of rows that it used."""
    if output.column < 0:
        return len(members), len(members)
    column = rows.columns[output.column]
    if output.numeric:
        numbers = _chosen(column, members)
        return (shortest(output.numeric(numbers)) if numbers else None), len(numbers)
    used = [row for row in members if column[row] is not None]
    return _by_value(output.function, rows, column, used), len(used)


def _chosen(column: Sequence[float], members: list[int]) -> Numbers:
    """Return the numbers of these rows. Their sum shows whether any is NaN."""
    if len(members) > 1:
        numbers: Numbers = itemgetter(*members)(column)
        if not math.isnan(sum(numbers)):
            return numbers
    return [number for row in members if (number := column[row]) == number]


def _by_value(function: str, rows: Rows, column: list[Value], used: list[int]) -> Value:
    if function == "count":
        return len(used)
    if function == "countDistinct":
        return len({canonical(column[row]) for row in used})
    if not used:
        return None
    pick = min if function == "first" else max
    return column[pick(used, key=lambda row: (rows.times[row], rows.names[row]))]
