"""Inspection of a table before any row is sent: its columns, and expected problems."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, Float, Table

from millrace.destinations.results import Unsendable
from millrace.destinations.rows import EVENT_ID, deletion_mark
from millrace.destinations.statements import key_of
from millrace.pipelines.definitions.destinations import DatabaseConfig


class Inspection(Struct, frozen=True):
    """The result of an inspection.

    `needed` are columns that every new row must have; `problems` are for people.
    """

    columns: list[str]
    needed: list[str]
    problems: list[str]


def inspect(config: DatabaseConfig, table: Table) -> Inspection:
    """Inspect a table as a destination. Raises `Unsendable` for one that cannot be written to."""
    key_of(config, table)
    ours = {EVENT_ID, config.deleted_field, config.version_field}
    inserts = config.operation != "update" and not (config.operation == "delete" and not config.deleted_field)
    needed = [column.name for column in table.columns if _is_needed(column) and column.name not in ours]
    columns = [column.name for column in table.columns]
    return Inspection(columns, needed if inserts else [], list(_problems(config, table, needed)))


def _is_needed(column: Column[Any]) -> bool:
    counts = column.autoincrement is True or column is column.table.autoincrement_column
    filled = column.server_default is not None or column.computed is not None or column.identity is not None
    return not column.nullable and not counts and not filled


def _problems(config: DatabaseConfig, table: Table, needed: list[str]) -> Iterator[str]:
    if config.version_field:
        yield from _of_version(table.columns[config.version_field])
    if not config.deleted_field:
        return
    try:
        deletion_mark(table.columns[config.deleted_field], True, 0)
    except Unsendable as error:
        yield error.message
    full = [name for name in needed if name not in config.conflict_fields]
    if full:
        yield (
            f"Deleted rows keep {', '.join(full)}, which may not be null: give them values for a deletion "
            "too (`new.x ?? old.x`)."
        )


def _of_version(column: Column[Any]) -> Iterator[str]:
    if isinstance(column.type, Float):
        yield f"{column.name} is {column.type}, which cannot distinguish long versions."
    if column.type.__visit_name__ in ("DATETIME", "TIMESTAMP") and hasattr(column.type, "fsp"):
        if (column.type.fsp or 0) < 3:
            yield f"{column.name} holds whole seconds: versions within one are the same. Give it (3)."
