"""SQL databases: rows for a table that is looked up once, each job in as few transactions as possible.

Rows that the database rejects are found by halving: the others are written, and these become dead letters.
"""

import time
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial

from sqlalchemy import JSON, MetaData, Table
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchTableError, OperationalError, SQLAlchemyError

from millrace.destinations.connections import Database, Databases
from millrace.destinations.faults import Fault, failure, fault_of
from millrace.destinations.inspection import Inspection, inspect
from millrace.destinations.results import Dead, Failure, Retry, SendReport, Unsendable, Wait, result_of_error
from millrace.destinations.sending import WaitForSlot
from millrace.destinations.writing import Writing
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event
from millrace.stores.call_threads import CallThreads

LOOKED_UP_SECONDS = 300.0
UNKNOWN_SECONDS = 10.0
"""The age in seconds from which a table's known columns are read again when an event names an unknown
column."""
_THREADS = CallThreads(32, "millrace-database")
"""More than a process writes to databases at the same time. One that hangs occupies a thread for half a
minute, in which other organizations' work must go on, also that in asyncio's few threads."""


class DatabaseSender:
    """Writes to one table."""

    def __init__(self, config: DatabaseConfig, organization: str, databases: Databases) -> None:
        self._config = config
        self._organization = organization
        self._databases = databases

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        """Write the events in a thread, and return a result for each."""
        wait = await wait_for_slot()
        if wait:
            return SendReport([Wait(wait)] * len(events))
        return await _THREADS.run(partial(copy_context().run, self._write, events))

    def inspect(self) -> Inspection:
        """Inspect the table.

        Raises `Unsendable` for one that cannot be written to, and SQLAlchemy errors if the database cannot be
        reached.
        """
        return inspect(self._config, look_up(self._database(), self._config.table))

    def _database(self) -> Database:
        return self._databases.get(self._config.connection or "", self._organization)

    def _table(self, database: Database, events: Sequence[Event]) -> Table:
        """Return the table, looked up again for columns that may have been added."""
        table = look_up(database, self._config.table)
        if all(name in table.columns for event in events for name in event.payload):
            return table
        return look_up(database, self._config.table, UNKNOWN_SECONDS)

    def _write(self, events: Sequence[Event]) -> SendReport:
        try:
            database = self._database()
            table = self._table(database, events)
            return Writing(self._config, database, table, events).run()
        except Unsendable as error:
            # The server is not at fault here, so its circuit must not open.
            return SendReport([result_of_error(error)] * len(events), succeeded=1)
        except (SQLAlchemyError, OSError) as error:
            return SendReport([_whole(error)] * len(events), failed=1)


def look_up(database: Database, name: str, seconds: float = LOOKED_UP_SECONDS) -> Table:
    """Return the table `schema.name` or `name` as the database describes it, at most `seconds` old."""
    known = database.tables.get(name)
    if known and time.monotonic() - known[0] < seconds:
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


def whole_failure(error: Exception) -> Failure:
    """Return the failure if the database or the table is at fault."""
    return _whole(error).failure


def _whole(error: Exception) -> Retry | Dead:
    """Return the result of all rows if no row is at fault, because only the table was inspected."""
    fault = fault_of(error)
    if fault is Fault.OTHERS:
        return Retry(failure("conflict", error))
    down = isinstance(error, OperationalError | InterfaceError) or not isinstance(error, DBAPIError)
    if fault is Fault.SERVER or down:
        return Retry(failure("unreachable", error))
    return Dead(failure("refused", error))
