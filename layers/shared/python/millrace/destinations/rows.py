"""Payloads as rows of a table: only known columns, with values of the columns' types.

Databases silently accept different things (SQLite anything; executemany drops unknown names), so values are
validated here, identically for all.
"""

import unicodedata
from collections.abc import Callable, Sequence
from datetime import time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    ARRAY,
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
    Time,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import NullType, TypeEngine

from millrace.destinations.results import Unsendable
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.times import to_datetime, to_ms
from millrace.pipelines.expressions.values import text

EVENT_ID = "millrace_id"
"""A column of this name gets the event's id."""

Values = dict[str, Any]
_FLOAT_DIGITS = 15


class Row(Struct, frozen=True):
    """A row. `position` is that of its event, and `operation` is applied to the values."""

    values: Values
    position: int
    operation: str


def row_values(table: Table, payload: Values, event_id: str | None, version: str | None = None) -> Values:
    """Return the payload as a row, with the event's id if there is a column for it.

    `version` is the column that determines which of two rows is newer. Raises `Unsendable` for unknown
    columns and invalid values.
    """
    unknown = sorted(name for name in payload if name not in table.columns)
    if unknown:
        known = ", ".join(column.name for column in table.columns)
        raise Unsendable(
            "unknown_column", f"{table.name} has no column {', '.join(unknown[:5])}. It has: {known}."
        )
    exact = table.info.get("dialect") != "sqlite"  # whose numeric is a float
    as_version = partial(version_typed, exact=exact)
    values = {
        name: _value(table.columns[name], value, as_version if name == version else _typed)
        for name, value in payload.items()
    }
    if event_id is not None and EVENT_ID in table.columns:
        values[EVENT_ID] = event_id
    if not values:
        raise Unsendable("empty", "The event has no fields.")
    return values


def groups_of(rows: Sequence[Row], table: Table, key: Sequence[str]) -> list[list[Row]]:
    """Group rows with the same operation and columns, one statement for each group.

    A column that is left out keeps its default or its value. Written in order, the groups have the same
    result as single rows: no row comes into an earlier group than a preceding row with its key. Rows that may
    collide in another unique key all keep their order.
    """
    others = unique_keys(table) - {tuple(sorted(key))}
    strict = any(name in row.values for row in rows for names in others for name in names)
    groups: list[list[Row]] = []
    newest: dict[tuple[str, frozenset[str]], int] = {}
    latest: dict[object, int] = {}
    for row in rows:
        columns = (row.operation, frozenset(row.values))
        id = 0 if strict else identity(row, key)
        at = newest.get(columns, -1)
        if at < latest.get(id, 0):
            at = newest[columns] = len(groups)
            groups.append([])
        groups[at].append(row)
        latest[id] = at
    return groups


def identity(row: Row, key: Sequence[str]) -> object:
    """Return the same value for rows that a database may consider equal. Without a key, all rows differ."""
    return tuple(_folded(row.values[name]) for name in key) if key else (row.position,)


def _folded(value: Any) -> Any:
    """Normalize a value, because collations may ignore case, accents and trailing spaces."""
    if isinstance(value, str):
        plain = unicodedata.normalize("NFKD", value).casefold()
        return "".join(each for each in plain if not unicodedata.combining(each)).strip()
    return value if isinstance(value, int | float) else repr(value)


def unique_keys(table: Table) -> set[tuple[str, ...]]:
    """Return every set of columns that is unique, as reflected, each in alphabetical order."""
    unique = [each.columns.keys() for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexes = [
        each.columns.keys()
        for each in table.indexes
        if each.unique and not any(value is not None for value in _predicates(each.dialect_options))
    ]
    primary = table.primary_key.columns.keys()
    return {tuple(sorted(columns)) for columns in (*unique, *indexes, primary) if columns}


def _predicates(options: Any) -> list[Any]:
    """Return the predicates of a partial index, which ON CONFLICT cannot use."""
    return [options[name].get("where") for name in ("postgresql", "sqlite") if name in options]


def deletion_mark(column: Column[Any], deleted: bool, time: int) -> Any:
    """Return the value of a column that marks deleted rows; `time` is the time of the deletion (ms).

    Raises `Unsendable` for a column that cannot represent both states.
    """
    kind = column.type
    if isinstance(kind, Boolean):
        return deleted
    if isinstance(kind, Integer):
        return int(deleted)
    if isinstance(kind, DateTime):
        return _typed(kind, time) if deleted else None
    raise Unsendable(
        "invalid_mark", f"{column.name} is {kind}, but a mark must be a boolean, a whole number or a time."
    )


def _value(column: Column[Any], value: Any, typed: Callable[[TypeEngine[Any], Any], Any]) -> Any:
    """Return a JSON value in the column's type."""
    if value is None:
        return None
    try:
        return typed(column.type, value)
    except (EvaluationError, ValueError) as error:
        reason = error.message if isinstance(error, EvaluationError) else str(error)
        raise Unsendable("invalid_value", f"Column {column.name} ({column.type}): {reason}") from None


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
    return _of_another_type(kind, value)


def version_typed(kind: TypeEngine[Any], value: Any, exact: bool = True) -> Any:
    """Return a version in a form that its column compares correctly.

    Text that is a number becomes an exact number, but a number never becomes text, where 10 sorts before 9.
    """
    if isinstance(kind, Integer) and isinstance(value, str) and value.isdecimal():
        return _integer(int(value))
    if isinstance(kind, Float | Numeric) and not isinstance(value, bool):
        return _number_of(value, exact and not isinstance(kind, Float))
    if isinstance(kind, String) and not isinstance(value, str):
        raise ValueError(f"compares versions as text, in which 10 comes before 9; {value!r:.40} is none.")
    return _typed(kind, value)


def _number_of(value: Any, exact: bool) -> Decimal | float:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal(repr(value))
    except ArithmeticError:
        raise ValueError(f"takes a number, not {value!r:.40}.") from None
    if exact:
        return number
    if len(number.normalize().as_tuple().digits) > _FLOAT_DIGITS:
        raise ValueError("cannot distinguish such long versions; numeric, bigint and text can.")
    return float(number)


def _list(kind: TypeEngine[Any], value: Any) -> list[Any]:
    """Return an array's items, which may be lists."""
    items: list[Any] = _only(list, value, "a list")
    if isinstance(kind, JSON):
        return items
    return [
        each if each is None else _list(kind, each) if isinstance(each, list) else _typed(kind, each)
        for each in items
    ]


def _of_another_type(kind: TypeEngine[Any], value: Any) -> Any:
    """Return the value of another type (address, interval, vector, ...), which databases parse from text or
    reject."""
    if isinstance(kind, ARRAY):
        return _list(kind.item_type, value)
    if isinstance(kind, Time):
        return time.fromisoformat(_only(str, value, "a time of day"))
    if isinstance(kind, Uuid) and kind.as_uuid:
        return UUID(_only(str, value, "a UUID"))
    if not isinstance(value, dict | list):
        return value
    if kind.__visit_name__ == "HSTORE" and isinstance(value, dict):
        return {name: None if each is None else text(each) for name, each in value.items()}
    if isinstance(kind, NullType):
        return text(value)
    raise ValueError(f"takes a single value, not {'a list' if isinstance(value, list) else 'an object'}.")


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
    # PostgreSQL cannot store it. All databases reject it here, so that a pipeline behaves the same with each.
    if "\x00" in said:
        raise ValueError("text may not hold a NUL character.")
    return said
