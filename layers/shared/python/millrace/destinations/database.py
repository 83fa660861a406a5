"""SQL databases: rows into a table that is looked up once, each job in as few transactions as its rows allow.

A row that the database refuses is found by halving: the others are written, it goes to the dead letters.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, MetaData, Table
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchTableError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from millrace.destinations.connections import Database, Databases
from millrace.destinations.fates import (
    DELIVERED,
    Dead,
    Failure,
    Fate,
    Retry,
    Sent,
    Unsendable,
    Wait,
    fate_of_error,
)
from millrace.destinations.rows import Row, groups_of, row_values
from millrace.destinations.sending import Turn
from millrace.destinations.statements import key_of, parameters, statement
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event

LOOKED_UP_SECONDS = 300.0
_CONFLICTS = {"40001", "40P01", "1205", "1213", "OC000", "OC001"}
# The row's fault though the driver's class does not say so: PostgreSQL's datatype_mismatch; of MySQL and
# MariaDB check constraints (3819, 4025) and values that do not fit (1265, 1292, 1366).
_ROWS_FAULT = {"42804", "3819", "4025", "1265", "1292", "1366"}
_CONFLICT_TRIES = 6


class DatabaseSender:
    """Writes to one table."""

    def __init__(self, config: DatabaseConfig, organization: str, databases: Databases) -> None:
        self._config = config
        self._organization = organization
        self._databases = databases

    async def send(self, events: Sequence[Event], turn: Turn) -> Sent:
        """One fate per event; the work is done in a thread."""
        wait = await turn()
        if wait:
            return Sent([Wait(wait)] * len(events))
        return await asyncio.to_thread(self._write, events)

    def columns(self) -> list[str]:
        """Return the names of the table's columns. Raises `Unsendable` for a table that cannot be written to,
        or SQLAlchemy's errors where the database cannot be reached."""
        table = look_up(self._database(), self._config.table)
        key_of(self._config, table)
        return [column.name for column in table.columns]

    def _database(self) -> Database:
        return self._databases.get(self._config.connection or "", self._organization)

    def _write(self, events: Sequence[Event]) -> Sent:
        try:
            database = self._database()
            table = look_up(database, self._config.table)
            return _Writing(self._config, database, table, events).run()
        except Unsendable as error:
            return Sent([fate_of_error(error)] * len(events), succeeded=1)
        except (SQLAlchemyError, OSError) as error:
            return Sent([_whole(error)] * len(events), failed=1)


def look_up(database: Database, name: str) -> Table:
    """A table as the database describes it, `schema.name` or `name`; kept for five minutes."""
    known = database.tables.get(name)
    if known and time.monotonic() - known[0] < LOOKED_UP_SECONDS:
        return known[1]
    schema, _, plain = name.rpartition(".")
    engine = database.engine
    try:
        table = Table(plain, MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)
    except NoSuchTableError:
        raise Unsendable("unknown_table", f"The database has no table {name}.") from None
    table.info["dialect"] = engine.dialect.name
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True  # an event's null is the column's NULL, not the JSON text null
    database.tables[name] = (time.monotonic(), table)
    return table


class _Writing:
    """One job's rows on their way into the table."""

    def __init__(
        self, config: DatabaseConfig, database: Database, table: Table, events: Sequence[Event]
    ) -> None:
        self._config = config
        self._database = database
        self._table = table
        self._events = events
        self._key = key_of(config, table)
        self._fates: dict[int, Fate] = {}
        self._down: Retry | None = None

    def run(self) -> Sent:
        for group in groups_of(self._rows(), self._table, self._key):
            self._write(group)
        fates = [self._fates[n] for n in range(len(self._events))]
        return Sent(fates, succeeded=int(not self._down), failed=int(self._down is not None))

    def _rows(self) -> list[Row]:
        found = []
        for position, event in enumerate(self._events):
            try:
                values = row_values(self._table, event.payload, event.id)
                found.append(Row(self._with_key(values), position))
            except Exception as error:
                self._fates[position] = fate_of_error(error)
        return found

    def _with_key(self, values: dict[str, Any]) -> dict[str, Any]:
        """Raises `Unsendable` for a row whose key is not whole: in SQL, null is unlike every other null."""
        missing = [name for name in self._key if values.get(name) is None]
        if missing:
            raise Unsendable("incomplete", f"The event lacks {', '.join(missing)}, which identifies its row.")
        return values

    def _write(self, rows: list[Row]) -> None:
        if self._down:  # what comes later is not written before what has to come again
            self._settle(rows, self._down)
            return
        try:
            self._execute(rows)
        except Unsendable as error:
            self._settle(rows, fate_of_error(error))
        except OSError:
            raise
        except Exception as error:
            self._refused(rows, error)
        else:
            self._settle(rows, DELIVERED)

    def _refused(self, rows: list[Row], error: Exception) -> None:
        if not _is_of_the_data(error):
            self._database.tables.clear()  # its columns may have changed
            fate = _whole(error)
            self._down = fate if isinstance(fate, Retry) else None
            self._settle(rows, fate)
        elif len(rows) == 1:
            self._settle(rows, Dead(_failure("invalid_row", error)))
        else:
            middle = len(rows) // 2
            self._write(rows[:middle])
            self._write(rows[middle:])

    def _execute(self, rows: list[Row]) -> None:
        """One transaction, begun again where others were in its way."""
        written = statement(self._config, self._table, self._key, rows[0].values)
        for attempt in range(_CONFLICT_TRIES):
            try:
                with self._database.engine.begin() as connection:
                    connection.execute(written, parameters(rows))
                return
            except DBAPIError as error:
                if not _codes(error) & _CONFLICTS or attempt == _CONFLICT_TRIES - 1:
                    raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))

    def _settle(self, rows: Sequence[Row], fate: Fate) -> None:
        self._fates |= dict.fromkeys((row.position for row in rows), fate)


def _codes(error: Exception) -> set[str]:
    """SQLSTATE, and MySQL's error number, which is finer."""
    original: Any = getattr(error, "orig", None)
    arguments = getattr(original, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else None
    return {str(code) for code in (getattr(original, "sqlstate", None), number) if code}


def _is_of_the_data(error: Exception) -> bool:
    """Whether a value is at fault, so that other rows may be written."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError) or bool(_codes(error) & _ROWS_FAULT)
    return not isinstance(error, SQLAlchemyError) or type(error) is StatementError


def whole_failure(error: Exception) -> Failure:
    """Return what went wrong where the database or the table is at fault."""
    return _whole(error).failure


def _whole(error: Exception) -> Retry | Dead:
    """The fate of all rows where the database or the table is at fault, not a row."""
    conflicts = bool(_codes(error) & _CONFLICTS)
    down = isinstance(error, OperationalError | InterfaceError | OSError) or not isinstance(error, DBAPIError)
    if conflicts or down:
        return Retry(_failure("conflict" if conflicts else "unreachable", error))
    return Dead(_failure("refused", error))


def _failure(code: str, error: Exception) -> Failure:
    """What the driver said, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    said = " ".join(str(original).split())
    return Failure(code, f"The database says: {said}"[:1000], body="")
