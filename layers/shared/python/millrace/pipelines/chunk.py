"""Events that go through the steps together, with their current payloads.

Steps ask a chunk for columns: one field of every event, read by loops in C. So the results of `map` stay
columns, and payloads are built only for a step that needs them whole.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

from millrace.pipelines.event import Event, Payload

Values = Sequence[Any]
Column = Callable[["Chunk"], Values]
Mask = Sequence[bool]


class Chunk:
    """A group of events. `payloads` and `events` have the same length and order."""

    __slots__ = ("_payloads", "events")

    def __init__(self, payloads: list[Payload], events: list[Event]) -> None:
        self._payloads = payloads
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    @property
    def payloads(self) -> list[Payload]:
        return self._payloads

    def pairs(self) -> Iterable[tuple[Payload, Event]]:
        return zip(self.payloads, self.events, strict=True)

    def field(self, keys: tuple[str, ...]) -> Values:
        """Return the field at that path in each payload, or null where there is none."""
        return inside(self.payloads, keys)

    def where(self, mask: Mask) -> "Chunk":
        """Return the events for which the mask is true."""
        return Chunk(list(compress(self.payloads, mask)), list(compress(self.events, mask)))


class MappedChunk(Chunk):
    """A chunk after `map`: the values of `columns`, all fields in their order, over a source.

    `made` has the columns that were evaluated. The others cannot fail, and are evaluated when a step asks for
    them.
    """

    __slots__ = ("_columns", "_made", "_source")

    def __init__(self, source: Chunk, columns: dict[str, Column], made: dict[str, Values]) -> None:
        super().__init__([], source.events)
        self._source = source
        self._columns = columns
        self._made = made

    @property
    def payloads(self) -> list[Payload]:
        if not self._payloads:
            names = list(self._columns)
            self._payloads = rows(names, [self._column(name) for name in names])
        return self._payloads

    def field(self, keys: tuple[str, ...]) -> Values:
        if keys[0] not in self._columns:
            return [None] * len(self)
        column = self._column(keys[0])
        return inside(column, keys[1:]) if len(keys) > 1 else column

    def _column(self, name: str) -> Values:
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._columns[name](self._source)
        return column

    def where(self, mask: Mask) -> Chunk:
        made: dict[str, Values] = {name: list(compress(values, mask)) for name, values in self._made.items()}
        return MappedChunk(self._source.where(mask), self._columns, made)


# Only objects have string keys, so these two errors always mean that there is no such field.
MISSING = (KeyError, TypeError)


def inside(values: Values, keys: tuple[str, ...]) -> Values:
    """Return the value at a path in each of the values; fast while all of them have it."""
    found: Iterable[Any] = values
    for key in keys:
        found = map(itemgetter(key), found)
    try:
        return list(found)
    except MISSING:
        return [reached(value, keys) for value in values]


def reached(value: Any, keys: tuple[str, ...]) -> Any:
    """Return the value at a path, or null if there is none."""
    try:
        for key in keys:
            value = value[key]
    except MISSING:
        return None
    return value


def rows(names: list[str], columns: list[Values]) -> list[Payload]:
    """Convert columns to payloads.

    A dict display is twice as fast as `dict(zip(...))`, so the usual widths are written out.
    """
    return _WIDTHS.get(len(names), _any_width)(names, columns)


def _any_width(names: list[str], columns: list[Values]) -> list[Payload]:
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _three(names: list[str], columns: list[Values]) -> list[Payload]:
    i, j, k = names
    return [{i: a, j: b, k: c} for a, b, c in zip(*columns, strict=True)]


def _four(names: list[str], columns: list[Values]) -> list[Payload]:
    i, j, k, m = names
    return [{i: a, j: b, k: c, m: d} for a, b, c, d in zip(*columns, strict=True)]


def _five(names: list[str], columns: list[Values]) -> list[Payload]:
    i, j, k, m, n = names
    return [{i: a, j: b, k: c, m: d, n: e} for a, b, c, d, e in zip(*columns, strict=True)]


def _six(names: list[str], columns: list[Values]) -> list[Payload]:
    i, j, k, m, n, o = names
    return [{i: a, j: b, k: c, m: d, n: e, o: f} for a, b, c, d, e, f in zip(*columns, strict=True)]


_WIDTHS = {3: _three, 4: _four, 5: _five, 6: _six}
