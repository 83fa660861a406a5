"""insert, upsert and update in SQLAlchemy Core, for PostgreSQL (and Aurora DSQL), SQLite and MySQL.

With a version column a row is only overwritten by one of a higher version, in the same statement, so that no
order of deliveries lets a stale row win. A repeated insert is left out where the table can tell: by
`conflictFields`, or by a unique column `millrace_id`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Executable, Table, and_, bindparam, func, or_, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects import mysql, postgresql, sqlite

from millrace.destinations.fates import Unsendable
from millrace.destinations.rows import EVENT_ID, Row, Values, unique_keys
from millrace.pipelines.definitions.destinations import DatabaseConfig

_PREFIX = "v_"


def key_of(config: DatabaseConfig, table: Table) -> tuple[str, ...]:
    """The columns that identify a row: `conflictFields`, or for inserts a unique `millrace_id`; () for none.

    Raises `Unsendable` where the table lacks them, or cannot tell by them that a row is there.
    """
    wanted = [*config.conflict_fields, *filter(None, [config.version_field])]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise Unsendable("unknown_column", f"{table.name} has no column {', '.join(missing)}.")
    if not config.conflict_fields:
        return (EVENT_ID,) if (EVENT_ID,) in unique_keys(table) else ()
    key = tuple(config.conflict_fields)
    if config.operation != "update" and tuple(sorted(key)) not in unique_keys(table):
        raise Unsendable(
            "no_unique_key",
            f"{config.operation} needs a primary key or unique constraint on exactly ({', '.join(key)}) "
            f"of {table.name}.",
        )
    return key


def statement(config: DatabaseConfig, table: Table, key: Sequence[str], columns: Iterable[str]) -> Executable:
    """What writes rows with these columns, for executemany with `parameters`."""
    names = sorted(columns)
    version = config.version_field if config.operation != "insert" else None
    if version and version not in names:
        raise Unsendable("incomplete", f"The event lacks {version}, which says whether it is stale.")
    if config.operation == "update":
        return _update(config, table, key, names)
    values: Values = {name: bindparam(_PREFIX + name) for name in names}
    dialect = table.info["dialect"]
    if not key:
        return plain_insert(table).values(values)
    changed = [] if config.operation == "insert" else [name for name in names if name not in key]
    if dialect == "mysql":
        return _mysql(config, table, key, values, changed)
    return _on_conflict(config, table, key, values, changed)


def parameters(rows: Iterable[Row]) -> list[Values]:
    """The rows' values under the names that `statement` gave them."""
    return [{_PREFIX + name: value for name, value in row.values.items()} for row in rows]


def _on_conflict(
    config: DatabaseConfig, table: Table, key: Sequence[str], values: Values, changed: list[str]
) -> Executable:
    insert = postgresql.insert if table.info["dialect"] == "postgresql" else sqlite.insert
    written: Any = insert(table).values(values)
    if not changed:
        return _executable(written.on_conflict_do_nothing(index_elements=list(key)))
    fresh = {name: written.excluded[name] for name in changed}
    version = config.version_field
    newer = _newer(table, version, written.excluded[version]) if version else None
    return _executable(written.on_conflict_do_update(index_elements=list(key), set_=fresh, where=newer))


def _mysql(
    config: DatabaseConfig, table: Table, key: Sequence[str], values: Values, changed: list[str]
) -> Executable:
    written = mysql.insert(table).values(values)
    if not changed:
        # A no-op on repetition; INSERT IGNORE would also swallow bad values.
        return written.on_duplicate_key_update({key[0]: table.columns[key[0]]})
    fresh: list[tuple[str, Any]] = [(name, written.inserted[name]) for name in changed]
    version = config.version_field
    if version:
        # Assignments run from left to right and see what was assigned: the version itself comes last.
        newer = _newer(table, version, written.inserted[version])
        fresh.sort(key=lambda pair: pair[0] == version)
        fresh = [(name, func.if_(newer, value, table.columns[name])) for name, value in fresh]
    return written.on_duplicate_key_update(fresh)


def _update(config: DatabaseConfig, table: Table, key: Sequence[str], names: list[str]) -> Executable:
    missing = [name for name in key if name not in names]
    changed = [name for name in names if name not in key]
    if missing or not changed:
        raise Unsendable("incomplete", f"An update needs {', '.join(key)} and a column to change.")
    where = [table.columns[name] == bindparam(_PREFIX + name) for name in key]
    if config.version_field:
        where.append(_newer(table, config.version_field, bindparam(_PREFIX + config.version_field)))
    return update(table).where(and_(*where)).values({name: bindparam(_PREFIX + name) for name in changed})


def _newer(table: Table, version: str, given: Any) -> Any:
    column = table.columns[version]
    return or_(column.is_(None), column < given)


def _executable(statement: Any) -> Executable:
    found: Executable = statement
    return found
