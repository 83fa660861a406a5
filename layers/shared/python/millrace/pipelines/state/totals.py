"""`aggregate` on its own: a running total per group since the pipeline started.

Each group's state is one register, written only where it is unchanged. It holds exact sums (fractions), so
that the order of events cannot show, and the hashes of the latest events, so that redelivered ones are known.
"""

import math
from base64 import b64decode, b64encode
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Any

import orjson

from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.errors import Contended
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.values import Value, is_number, shortest
from millrace.pipelines.state.outputs import output_id
from millrace.pipelines.state.rows import identity
from millrace.pipelines.state.store import Store
from millrace.pipelines.state.windows import Scope

RECENT = 2_000
_ATTEMPTS = 20
_FOREVER_MS = 3650 * 86_400_000


@dataclass(frozen=True, slots=True)
class Change:
    """One event's part in the totals of its group; `cells` in the order of the aggregations."""

    event: Event
    key: bytes
    group: dict[str, Value]
    cells: list[Value]


class Total:
    """One aggregation of one group."""

    def __init__(self, function: str, state: dict[str, Any] | None = None) -> None:
        held = state or {}
        self.function = function
        self.used: int = held.get("used", 0)
        self.sum = Fraction(held.get("sum", 0))
        self.squares = Fraction(held.get("squares", 0))
        self.low: float | None = held.get("low")
        self.high: float | None = held.get("high")
        self.ends: list[list[Any]] = held.get("ends", [])

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
        """Null where the result has no place in 64 bits."""
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
        variance = (self.squares - self.sum**2 / self.used) / (self.used - 1)
        return math.sqrt(variance)


_NUMERIC = ("sum", "avg", "min", "max", "stddev")


@dataclass(slots=True)
class _Group:
    rows: int
    recent: dict[int, None]
    totals: list[Total]

    def encode(self) -> bytes:
        recent = b64encode(b"".join(id.to_bytes(8, "little") for id in list(self.recent)[-RECENT:])).decode()
        return orjson.dumps([self.rows, recent, [total.state() for total in self.totals]])


def _decode(data: bytes, functions: list[str]) -> _Group:
    rows, recent, states = orjson.loads(data)
    raw = b64decode(recent)
    ids = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
    totals = [Total(function, state) for function, state in zip(functions, states, strict=True)]
    return _Group(rows, dict.fromkeys(ids), totals)


def add_changes(
    scope: Scope, aggregations: list[Aggregation], changes: list[Change], store: Store, now: int
) -> list[Event]:
    """The group's new total for each event, in order. All changes are of one group. Raises `Contended`."""
    functions: list[str] = [each.function for each in aggregations]
    key = scope.key("total-" + sha256(changes[0].key).hexdigest())
    for _ in range(_ATTEMPTS):
        register = store.read(key)
        empty = _Group(0, {}, [Total(function) for function in functions])
        group = _decode(register.data, functions) if register else empty
        outputs = [_applied(scope, aggregations, group, change) for change in changes]
        version = register.version if register else 0
        if store.write(key, group.encode(), version, now + _FOREVER_MS):
            return outputs
    raise Contended(str(key))


def _applied(scope: Scope, aggregations: list[Aggregation], group: _Group, change: Change) -> Event:
    event = change.event
    id = identity(event.source, event.id)
    if id not in group.recent:
        group.recent[id] = None
        group.rows += 1
        for total, cell in zip(group.totals, change.cells, strict=True):
            total.add(cell, event.time, event.id)
    return _output(scope, aggregations, group, change, id)


def _output(scope: Scope, aggregations: list[Aggregation], group: _Group, change: Change, id: int) -> Event:
    names = [each.name for each in aggregations]
    totals = [group.rows if each.field == "*" else None for each in aggregations]
    values = [
        rows if rows is not None else total.value() for rows, total in zip(totals, group.totals, strict=True)
    ]
    total_id = output_id(scope.pipeline, scope.step, change.key)
    payload: Payload = {
        "id": total_id,
        "group": change.group,
        "values": dict(zip(names, values, strict=True)),
        "count": group.rows,
    }
    return change.event.with_payload(payload, f"{total_id}-{id:016x}")
