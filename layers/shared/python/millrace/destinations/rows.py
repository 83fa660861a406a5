"""Payloads as rows of a table: only known columns, values that the columns take, one row per key.

Databases differ in what they take silently (SQLite anything, executemany drops unknown names), so it is
checked here, the same for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
)
from sqlalchemy.types import TypeEngine

from millrace.destinations.fates import Unsendable
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.times import to_datetime, to_ms
from millrace.pipelines.expressions.values import text

EVENT_ID = "millrace_id"
"""A column of this name, where a table has one, gets the event's id."""

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """`positions` are those of the events that the row stands for: the last of them gave the values."""

    values: Values
    positions: tuple[int, ...]


def row_values(table: Table, payload: Values, event_id: str) -> Values:
    """The payload as a row. Raises `Unsendable` for unknown columns and values that do not fit."""
    unknown = sorted(name for name in payload if name not in table.columns)
    if unknown:
        known = ", ".join(column.name for column in table.columns)
        raise Unsendable(
            "unknown_column", f"{table.name} has no column {', '.join(unknown[:5])}. It has: {known}."
        )
    values = {name: _value(table.columns[name], value) for name, value in payload.items()}
    if EVENT_ID in table.columns:
        values[EVENT_ID] = event_id
    if not values:
        raise Unsendable("empty", "The event has no fields.")
    return values


def last_per_key(rows: Sequence[tuple[int, Values]], key: Sequence[str], version: str | None) -> list[Row]:
    """One row per key, with the highest version or, without versions, the last one. Rows come with their
    event's position; the result is in the order of each key's first."""
    found: dict[tuple[Any, ...], Row] = {}
    for position, values in rows:
        id = tuple(_hashable(values.get(name)) for name in key)
        before = found.get(id)
        if before is None:
            found[id] = Row(values, (position,))
        else:
            newest = before.values if version and not _newer(values, before.values, version) else values
            found[id] = Row(newest, (*before.positions, position))
    return list(found.values())


def by_columns(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows in groups with the same columns: a column that is left out keeps its default or its value."""
    groups: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        groups.setdefault(frozenset(row.values), []).append(row)
    return list(groups.values())


def _newer(values: Values, before: Values, version: str) -> bool:
    """Whether a row's version is above another's; none is below all."""
    new, old = values.get(version), before.get(version)
    if new is None or old is None:
        return new is not None
    try:
        return bool(new > old)
    except TypeError:
        return False


def _hashable(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def _value(column: Column[Any], value: Any) -> Any:
    """A JSON value as the column's type takes it."""
    if value is None:
        return None
    try:
        return _typed(column.type, value)
    except (EvaluationError, ValueError) as error:
        told = error.message if isinstance(error, EvaluationError) else str(error)
        raise Unsendable("invalid_value", f"Column {column.name} ({column.type}): {told}") from None


def _typed(kind: TypeEngine[Any], value: Any) -> Any:
    if isinstance(kind, JSON):
        return value
    if isinstance(kind, DateTime):
        moment = to_datetime(to_ms(value))
        return moment if kind.timezone else moment.replace(tzinfo=None)
    if isinstance(kind, Date):
        return to_datetime(to_ms(value)).date()
    if isinstance(kind, Boolean):
        return _only(bool, value, "true or false")
    if kind.__visit_name__ == "TINYINT" and isinstance(value, bool):
        return int(value)  # MySQL's boolean
    if isinstance(kind, Integer):
        return _integer(value)
    if isinstance(kind, Float | Numeric):
        return _number(value)
    if isinstance(kind, String):
        return _text(value)
    if isinstance(kind, LargeBinary):
        return text(value).encode()
    return text(value) if isinstance(value, dict | list) else value


def _only(kind: type, value: Any, wanted: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"takes {wanted}, not {value!r:.40}.")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"takes a whole number, not {value!r:.40}.")
    if not -(2**63) <= value < 2**63:
        raise ValueError("takes numbers of 64 bits.")
    return int(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"takes a number, not {value!r:.40}.")
    return value


def _text(value: Any) -> str:
    said = text(value)
    if "\x00" in said:
        raise ValueError("text may not hold a NUL character.")
    return said
