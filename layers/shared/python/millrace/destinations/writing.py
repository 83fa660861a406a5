"""A job's rows on their way into a table, in as few transactions as possible.

A rejected group is halved until the faulty row is alone: it gets its result, and the others are written. Only
a server that answers nobody delays all of them.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from millrace.destinations.connections import Database
from millrace.destinations.faults import DUPLICATE, Fault, codes, failure, fault_of, is_disconnect
from millrace.destinations.operations import change_of
from millrace.destinations.results import (
    DELIVERED,
    Dead,
    DeliveryResult,
    Retry,
    SendReport,
    Unsendable,
    result_of_error,
)
from millrace.destinations.rows import Row, deletion_mark, groups_of, identity, row_values
from millrace.destinations.statements import Statements, key_of, parameters, statements
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event

_CONFLICT_TRIES = 6


class Unreachable(Exception):
    """No connection could be made; `cause` is the reason."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Writing:
    """Writes rows once, with `run`."""

    def __init__(
        self, config: DatabaseConfig, database: Database, table: Table, events: Sequence[Event]
    ) -> None:
        self._config = config
        self._database = database
        self._table = table
        self._events = events
        self._key = key_of(config, table)
        self._results: dict[int, DeliveryResult] = {}
        self._held: dict[object, Retry] = {}
        self._down: Retry | None = None

    def run(self) -> SendReport:
        """Return a result for each event."""
        for group in groups_of(self._rows(), self._table, self._key):
            self._write(group)
        results = [self._results[n] for n in range(len(self._events))]
        return SendReport(results, succeeded=int(not self._down), failed=int(self._down is not None))

    def _rows(self) -> list[Row]:
        found = []
        for position, event in enumerate(self._events):
            try:
                found.append(self._row(event, position))
            except Exception as error:
                self._results[position] = result_of_error(error)
        return found

    def _row(self, event: Event, position: int) -> Row:
        change, version = change_of(self._config, event), self._config.version_field
        id = None if change.operation == "delete" else event.id
        values = self._with_key(row_values(self._table, change.values, id, version))
        if version and change.operation != "insert" and values.get(version) is None:
            raise Unsendable(
                "incomplete", f"The event lacks {version}, which is needed to tell whether it is stale."
            )
        if self._config.deleted_field and change.deleted is not None:
            column = self._table.columns[self._config.deleted_field]
            values[column.name] = deletion_mark(column, change.deleted, event.time)
        return Row(values, position, change.operation)

    def _with_key(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values.

        Raises `Unsendable` for an incomplete key, because in SQL null differs from every other null.
        """
        missing = [name for name in self._key if values.get(name) is None]
        if missing:
            raise Unsendable("incomplete", f"The event lacks {', '.join(missing)}, which identifies its row.")
        return values

    def _write(self, rows: list[Row]) -> None:
        rows = self._free(rows)
        if not rows:
            return
        try:
            self._execute(rows)
        except Unsendable as error:
            self._settle(rows, result_of_error(error))
        except Unreachable as error:
            self._wait_for_server(rows, error.cause)
        except OSError as error:
            self._wait_for_server(rows, error)
        except Exception as error:
            self._refused(rows, error)
        else:
            self._settle(rows, DELIVERED)

    def _free(self, rows: list[Row]) -> list[Row]:
        """Return the rows that no earlier row has to precede, because later ones are not written first."""
        free = []
        for row in rows:
            held = self._down or self._held.get(identity(row, self._key))
            if held:
                self._settle([row], held)
            else:
                free.append(row)
        return free

    def _refused(self, rows: list[Row], error: Exception) -> None:
        match fault_of(error):
            case Fault.OTHERS:
                self._down = Retry(failure("conflict", error))
                self._settle(rows, self._down)
            # A row can end its own connection, by a trigger or by its size. The server counts as down only if
            # it does not answer a new connection either.
            case Fault.SERVER if not is_disconnect(error) or not self._answers():
                self._wait_for_server(rows, error)
            case Fault.TABLE:
                self._database.tables.clear()  # its columns may have changed
                self._settle(rows, Dead(failure("refused", error)))
            case _ if len(rows) == 1:
                self._one_refused(rows[0], error)
            case _:
                middle = len(rows) // 2
                self._write(rows[:middle])
                self._write(rows[middle:])

    def _one_refused(self, row: Row, error: Exception) -> None:
        if not is_disconnect(error):
            self._settle([row], Dead(failure("invalid_row", error)))
            return
        # The connection ended with it while others are answered: by chance, or because of this row. It is
        # retried.
        held = Retry(failure("unreachable", error))
        self._held[identity(row, self._key)] = held
        self._settle([row], held)

    def _wait_for_server(self, rows: list[Row], error: Exception) -> None:
        self._database.tables.clear()
        self._down = Retry(failure("unreachable", error))
        self._settle(rows, self._down)

    def _answers(self) -> bool:
        """Return whether the server accepts a new connection and answers."""
        try:
            with self._connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except (Unreachable, SQLAlchemyError, OSError):
            return False
        return True

    def _connect(self) -> Connection:
        """Return a connection. Raises `Unreachable`, or `Unsendable` for an address that must not be used."""
        try:
            return self._database.engine.connect()
        except (SQLAlchemyError, OSError) as error:
            raise Unreachable(error) from error

    def _execute(self, rows: list[Row]) -> None:
        """Run one transaction, repeated if others conflicted with it."""
        written = statements(self._config, self._table, self._key, rows[0])
        for attempt in range(_CONFLICT_TRIES):
            try:
                with self._connect() as connection, connection.begin():
                    _run(connection, written, rows)
                return
            except DBAPIError as error:
                if not _comes_again(error, written, attempt):
                    raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))

    def _settle(self, rows: Sequence[Row], result: DeliveryResult) -> None:
        self._results |= dict.fromkeys((row.position for row in rows), result)


def _run(connection: Connection, written: Statements, rows: list[Row]) -> None:
    if written.together:
        connection.execute(written.parts[0], parameters(rows))
        return
    for row in rows:
        for part in written.parts:
            connection.execute(part, parameters([row])[0])


def _comes_again(error: DBAPIError, written: Statements, attempt: int) -> bool:
    """Return whether to retry immediately.

    A row that others inserted between our update and our insert is updated by the second try. A row that is a
    duplicate of another row stays one.
    """
    if attempt == _CONFLICT_TRIES - 1:
        return False
    raced = not written.together and attempt == 0 and DUPLICATE in codes(error)
    return raced or fault_of(error) is Fault.OTHERS
