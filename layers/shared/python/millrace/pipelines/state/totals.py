"""`aggregate` alone: a running total for each group since the pipeline started.

Each group's state is one register, written only if it is unchanged. It has exact sums (fractions), so that
the order of events does not matter. Of the latest events it has the hashes, by which redelivered ones are
recognized, and the values that they left with, so that these leave again.
"""

import math
from base64 import b64decode, b64encode
from fractions import Fraction
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.json_bytes import kept_json
from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.values import Value, is_number, shortest
from millrace.pipelines.state.outputs import output_id
from millrace.pipelines.state.registers import update
from millrace.pipelines.state.rows import identity
from millrace.pipelines.state.store import Key, Store
from millrace.pipelines.state.windows import Scope

RECENT = 2_000
_VALUES_BYTES = 20_000
_FOREVER_MS = 3650 * 86_400_000


class Change(Struct, frozen=True):
    """One event's part in the totals of its group; `cells` are in the order of the aggregations."""

    event: Event
    key: bytes
    group: dict[str, Value]
    cells: list[Value]


class Total:
    """One aggregation of one group."""

    def __init__(self, function: str, state: dict[str, Any] | None = None) -> None:
        stored = state or {}
        self.function = function
        self.used: int = stored.get("used", 0)
        self.sum = Fraction(stored.get("sum", 0))
        self.squares = Fraction(stored.get("squares", 0))
        self.low: float | None = stored.get("low")
        self.high: float | None = stored.get("high")
        self.ends: list[list[Any]] = stored.get("ends", [])

    def state(self) -> dict[str, Any]:
        return {
            "used": self.used,
            "sum": str(self.sum),
            "squares": str(self.squares),
            "low": self.low,
            "high": self.high,
            "ends": self.ends,
        }

    def add(self, value: Value, time: int, name: str) -> None:
        if value is None or (self.function in _NUMERIC and not is_number(value)):
            return
        self.used += 1
        if self.function in _NUMERIC:
            self._add_number(float(value))
        elif self.function in ("first", "last"):
            ends = sorted([*self.ends, [time, name, value]], key=lambda end: (end[0], end[1]))
            self.ends = [ends[0], ends[-1]]

    def _add_number(self, value: float) -> None:
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)
        if self.function in ("sum", "avg", "stddev"):
            self.sum += Fraction(value)
        if self.function == "stddev":
            self.squares += Fraction(value) ** 2

    def value(self) -> Value:
        if self.function == "count":
            return self.used
        if self.used == 0:
            return None
        if self.function in ("first", "last"):
            return self.ends[0 if self.function == "first" else -1][2]
        return self._number()

    def _number(self) -> Value:
        """Return the result, or null if it is too large for 64 bits."""
        try:
            exact = self._exact()
            return None if exact is None else shortest(float(exact))
        except OverflowError:
            return None

    def _exact(self) -> Fraction | float | None:
        if self.function in ("min", "max"):
            return self.low if self.function == "min" else self.high
        if self.function == "stddev":
            return self._deviation()
        return self.sum / (self.used if self.function == "avg" else 1)

    def _deviation(self) -> float | None:
        if self.used < 2:
            return None
        # With floats this formula would lose its digits to cancellation; with fractions it is exact.
        variance = (self.squares - self.sum**2 / self.used) / (self.used - 1)
        return math.sqrt(variance)


_NUMERIC = ("sum", "avg", "min", "max", "stddev")


class _Group(Struct):
    """A group's state.

    `recent` maps the latest events to the values that they left with as JSON, or None if these are too large
    to keep.
    """

    rows: int
    recent: dict[int, bytes | None]
    totals: list[Total]

    def encode(self) -> bytes:
        recent = list(self.recent)[-RECENT:]
        ids = b64encode(b"".join(id.to_bytes(8, "little") for id in recent)).decode()
        return kept_json([self.rows, ids, [total.state() for total in self.totals], self._kept(recent)])

    def _kept(self, recent: list[int]) -> list[orjson.Fragment]:
        """Return the values of the latest events, latest first, as far as there is room."""
        kept, room = [], _VALUES_BYTES
        for id in reversed(recent):
            values = self.recent[id]
            if values is None or len(values) > room:
                break
            room -= len(values)
            kept.append(orjson.Fragment(values))
        return kept

    def add(self, id: int, change: Change, aggregations: list[Aggregation]) -> bytes:
        """Count an event and return the values that it leaves with."""
        self.rows += 1
        for total, cell in zip(self.totals, change.cells, strict=True):
            total.add(cell, change.event.time, change.event.id)
        values = self.recent[id] = self.values(aggregations)
        return values

    def values(self, aggregations: list[Aggregation]) -> bytes:
        """Return the number of events, and an object of the totals."""
        pairs = zip(aggregations, self.totals, strict=True)
        values = {each.name: self.rows if each.field == "*" else total.value() for each, total in pairs}
        return kept_json([self.rows, values])


def _decode(data: bytes | None, functions: list[str]) -> _Group:
    if data is None:
        return _Group(0, {}, [Total(function) for function in functions])
    rows, recent, states, *more = orjson.loads(data)
    raw = b64decode(recent)
    ids = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
    totals_by_id: dict[int, bytes | None] = dict.fromkeys(ids)
    for kept in more:  # an earlier release stored none
        totals_by_id.update((id, kept_json(values)) for id, values in zip(reversed(ids), kept, strict=False))
    totals = [Total(function, state) for function, state in zip(functions, states, strict=True)]
    return _Group(rows, totals_by_id, totals)


def add_changes(
    scope: Scope, aggregations: list[Aggregation], changes: list[Change], store: Store, now: int
) -> list[Event]:
    """Return the group's new total for each event, in order. Raises `Contended`."""
    functions: list[str] = [each.function for each in aggregations]
    members: dict[Key, list[int]] = {}
    for at, change in enumerate(changes):
        members.setdefault(scope.key("total-" + sha256(change.key).hexdigest()), []).append(at)
    outputs: dict[int, Event] = {}

    def add(key: Key, data: bytes | None) -> tuple[bytes, int] | None:
        group = _decode(data, functions)
        before = group.rows
        outputs.update((at, _applied(scope, aggregations, group, changes[at])) for at in members[key])
        return (group.encode(), now + _FOREVER_MS) if group.rows > before else None

    update(store, members, add)
    return [outputs[at] for at in range(len(changes))]


def _applied(scope: Scope, aggregations: list[Aggregation], group: _Group, change: Change) -> Event:
    """Return the total after an event.

    A repeated event leaves as it did before. If that is not known any more, it leaves with the current total
    under a new id.
    """
    id = identity(change.event.source, change.event.id)
    total_id = output_id(scope.pipeline, scope.step, change.key)
    output = f"{total_id}-{id:016x}"
    if id not in group.recent:
        values = group.add(id, change, aggregations)
    elif (known := group.recent[id]) is not None:
        values = known
    else:
        values, output = group.values(aggregations), f"{output}-{group.rows}"
    return _output(total_id, output, change, values)


def _output(total_id: str, id: str, change: Change, result: bytes) -> Event:
    count, values = orjson.loads(result)
    payload: Payload = {"id": total_id, "group": change.group, "values": values, "count": count}
    return change.event.with_payload(payload, id)
