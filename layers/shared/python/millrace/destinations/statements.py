"""insert, upsert, update and delete in SQLAlchemy Core, for PostgreSQL (and Aurora DSQL), SQLite and MySQL.

With a version column, a row is only overwritten by a higher version, in the same statement, so that a stale
row never wins, whatever the order of deliveries. A repeated insert is skipped if the table can detect it by
`conflictFields` or a unique column `millrace_id`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects import mysql, postgresql, sqlite

from millrace.destinations.results import Unsendable
from millrace.destinations.rows import EVENT_ID, Row, Values, unique_keys
from millrace.pipelines.definitions.destinations import DatabaseConfig, is_template


def key_of(config: DatabaseConfig, table: Table) -> tuple[str, ...]:
    """Return the columns that identify a row: `conflictFields`, for inserts a unique `millrace_id`, or ().

    Raises `Unsendable` if the table lacks them, or cannot detect by them that a row exists.
    """
    wanted = [*config.conflict_fields, *filter(None, [config.version_field, config.deleted_field])]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise Unsendable("unknown_column", f"{table.name} has no column {', '.join(missing)}.")
    if not config.conflict_fields:
        return (EVENT_ID,) if (EVENT_ID,) in unique_keys(table) else ()
    key = tuple(config.conflict_fields)
    finds = config.operation == "update" or (config.operation == "delete" and not config.deleted_field)
    if not finds and tuple(sorted(key)) not in unique_keys(table):
        raise Unsendable(
            "no_unique_key",
            f"{_meant(config)} needs a primary key or unique constraint on exactly ({', '.join(key)}) "
            f"of {table.name}.",
        )
    return key


def _meant(config: DatabaseConfig) -> str:
    return "upsert" if is_template(config.operation) else config.operation


class Statements(Struct, frozen=True):
    """The SQL statements that write rows.

    With `together`, the only statement writes all rows with executemany. Otherwise all statements are run for
    each row.
    """

    parts: Sequence[Executable]
    together: bool = True


def statements(config: DatabaseConfig, table: Table, key: Sequence[str], like: Row) -> Statements:
    """Return the statements that write rows with this one's operation and columns, using `parameters`."""
    names, operation = sorted(like.values), like.operation
    if operation == "delete":
        return Statements([delete(table).where(_is_stale_row(config, table, key))])
    if operation == "update":
        return Statements([_update(config, table, key, names)])
    values: Values = {name: _given(table, name) for name in names}
    if not key:
        return Statements([plain_insert(table).values(values)])
    changed = [] if operation == "insert" else [name for name in names if name not in key]
    if table.info["dialect"] != "mysql":
        return Statements([_on_conflict(config, table, key, values, changed)])
    escaped = any("%" in name for name in names)  # which ON DUPLICATE KEY doubles twice
    if escaped or _other_keys(table, key, names):
        update_first = [_update(config, table, key, names)] if changed else []
        return Statements([*update_first, _insert_unless_there(table, key, values)], together=False)
    return Statements([_mysql(config, table, key, values, changed)])


def parameters(rows: Iterable[Row]) -> list[Values]:
    """Return the rows' values under the names that `statements` uses."""
    return [{_parameter(name): value for name, value in row.values.items()} for row in rows]


def _parameter(column: str) -> str:
    """Return a name that is safe in every driver's notation, whatever the column's name."""
    return "v_" + column.encode(errors="surrogatepass").hex()


def _given(table: Table, name: str) -> ColumnElement[Any]:
    return bindparam(_parameter(name), type_=table.columns[name].type)


def _other_keys(table: Table, key: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether MySQL may mistake the row for another one, because ON DUPLICATE KEY uses any unique key.

    A key with a column that stays null or is auto-incremented never has duplicates.
    """
    others = unique_keys(table) - {tuple(sorted(key))}
    return any(not any(_is_free(table.columns[name], names) for name in other) for other in others)


def _is_free(column: Column[Any], names: Sequence[str]) -> bool:
    counts = column.autoincrement is True or column is column.table.autoincrement_column
    empty = bool(column.nullable) and column.server_default is None and column.computed is None
    return column.name not in names and (counts or empty)


def _insert_unless_there(table: Table, key: Sequence[str], values: Values) -> Executable:
    """Return an insert that ignores a row with this key, but fails for a duplicate of any other key."""
    there: Any = select(literal_column("1")).select_from(table).where(_is_row(table, key))
    rows = select(*values.values()).select_from(text("DUAL")).where(~there.exists())
    return plain_insert(table).from_select(list(values), rows)


def _is_row(table: Table, key: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(table.columns[name] == _given(table, name) for name in key))


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
        # A no-op for a duplicate; INSERT IGNORE would also hide invalid values.
        return written.on_duplicate_key_update({key[0]: table.columns[key[0]]})
    fresh: list[tuple[str, Any]] = [(name, written.inserted[name]) for name in changed]
    version = config.version_field
    if version:
        # Assignments run from left to right and see earlier ones, so the version itself is last.
        newer = _newer(table, version, written.inserted[version])
        fresh.sort(key=lambda pair: pair[0] == version)
        fresh = [(name, func.if_(newer, value, table.columns[name])) for name, value in fresh]
    return written.on_duplicate_key_update(fresh)


def _update(config: DatabaseConfig, table: Table, key: Sequence[str], names: list[str]) -> Executable:
    missing = [name for name in key if name not in names]
    changed = [name for name in names if name not in key]
    if missing or not changed:
        raise Unsendable("incomplete", f"An update needs {', '.join(key)} and a column to change.")
    where = _is_stale_row(config, table, key)
    return update(table).where(where).values({name: _given(table, name) for name in changed})


def _is_stale_row(config: DatabaseConfig, table: Table, key: Sequence[str]) -> ColumnElement[bool]:
    """Return a condition for the row if it is older than the given one."""
    version = config.version_field
    found = _is_row(table, key)
    return and_(found, _newer(table, version, _given(table, version))) if version else found


def _newer(table: Table, version: str, given: Any) -> Any:
    column = table.columns[version]
    return or_(column.is_(None), column < given)


def _executable(statement: Any) -> Executable:
    found: Executable = statement
    return found
