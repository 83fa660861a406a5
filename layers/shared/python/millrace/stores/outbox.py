"""The outbox table in an application's PostgreSQL.

Rows are claimed in a transaction that the caller ends. docs/pipelines/outbox.sql has the table and a trigger
that fills it. Rows are deleted rather than tracked by the highest id: ids are assigned at insert but become
visible at commit, so a lower id may appear later.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from millrace.domain.changes import Change, number, ordered
from millrace.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:
    from psycopg import AsyncConnection

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 20
IMAGE_BYTES = 200 * 1024
"""Larger images stay in the database: no event could hold them, and no function a batch of them."""
_OPTIONS = f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s"
# Without MATERIALIZED the planner may run the inner query for each row and exceed the limit.
_TAKE = """
WITH taken AS MATERIALIZED (
    SELECT id FROM millrace_outbox ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM millrace_outbox AS box USING taken WHERE box.id = taken.id
RETURNING box.id, event_id::text,
    CASE WHEN changed_at >= '0001-01-01 00:00+00' AND changed_at < '10000-01-01 00:00+00'
        THEN floor(extract(epoch FROM changed_at) * 1000)::bigint END,
    left(organization, 200), left(table_name, 200), operation, left(keys::text, %(bytes)s),
    CASE WHEN octet_length(old_row::text) <= %(bytes)s THEN old_row::text END,
    CASE WHEN octet_length(new_row::text) <= %(bytes)s THEN new_row::text END,
    coalesce(octet_length(old_row::text) > %(bytes)s, false),
    coalesce(octet_length(new_row::text) > %(bytes)s, false)
"""


class OutboxRow(Struct, frozen=True):
    """A row as the database returns it.

    `keys`, `old` and `new` are JSON text. `time` is None if it is outside the range of events.
    """

    position: int
    id: str
    time: int | None
    organization: str
    table: str
    operation: Any
    keys: str
    old: str | None
    new: str | None
    old_is_large: bool
    new_is_large: bool

    def change(self) -> Change:
        """Return the change in the row. Raises `InvalidRequest` for an invalid row."""
        if self.time is None:
            raise InvalidRequest("changed_at must be within the years 1 to 9999.", code="invalid_time")
        left_out = tuple(
            name for name, large in (("old", self.old_is_large), ("new", self.new_is_large)) if large
        )
        return Change(
            self.id,
            self.time,
            self.table,
            self.operation,
            _object(self.keys) or {},
            _object(self.old),
            _object(self.new),
            left_out=left_out,
            sequence=ordered(self.position),
        )


class Outbox:
    """One connection, made by `connect`. psycopg is packaged with its function, not in the layer."""

    def __init__(self, connection: "AsyncConnection[Any]") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """Connect, encrypted unless the URL's `sslmode` says otherwise. Raises `Unavailable`."""
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        try:
            given: dict[str, Any] = {"sslmode": "require", "connect_timeout": CONNECT_SECONDS}
            given |= conninfo_to_dict(url) | {"options": _OPTIONS}
            connection = await psycopg.AsyncConnection.connect(**given, autocommit=True)
        except psycopg.Error as error:  # the message may contain the URL
            raise _unavailable(error) from None
        async with connection:
            yield cls(connection)

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[list[OutboxRow]]:
        """Claim up to `limit` rows by position, skipping those that another poller has claimed.

        The rows are deleted when the block succeeds. They stay if it raises or this process dies. Raises
        `Unavailable`.
        """
        import psycopg

        try:
            async with self._connection.transaction():
                found = await self._connection.execute(_TAKE, {"limit": limit, "bytes": IMAGE_BYTES})
                yield [OutboxRow(*row) for row in sorted(await found.fetchall())]
        except psycopg.Error as error:
            raise _unavailable(error) from None


def _object(text: str | None) -> dict[str, Any] | None:
    """Return a JSON object with exact numbers. Raises `InvalidRequest`."""
    try:
        found = None if text is None else json.loads(text, parse_float=number, parse_int=number)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The row is not JSON: {type(error).__name__}.", code="invalid_row") from None
    if found is not None and not isinstance(found, dict):
        raise InvalidRequest("keys, old_row and new_row must be JSON objects.", code="invalid_row")
    return found


def _unavailable(error: Exception) -> Unavailable:
    state = getattr(error, "sqlstate", None)
    return Unavailable(f"The outbox's database failed: {type(error).__name__} {state or ''}".strip())
