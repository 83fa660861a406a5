"""Changes of database rows on their way to the bus: from DynamoDB Streams, and what all sources share.

A stream goes on only when the bus has its records, and an event's id is the stream record's own: a record
that comes again is the same event. What can never become an event goes to a queue of dead letters with the
reason, and does not hold up the records behind it.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.changes import Change, Operation, Owners, ordered, plain_row
from millrace.domain.clock import iso
from millrace.errors import InvalidRequest, TooLarge, is_transient
from millrace.pipelines.errors import unexpected
from millrace.services.pipelines.payloads import check_payload
from millrace.services.pipelines.queue_messages import BYTES_PER_MESSAGE
from millrace.stores.bus import BATCH, BusEvent, EventBus
from millrace.stores.lenient_json import to_json
from millrace.stores.queues import Queue, escaped_size

log = logging.getLogger(__name__)

SOURCE = "millrace.database_change"
_OPERATIONS: dict[str, Operation] = {"INSERT": "insert", "MODIFY": "update", "REMOVE": "delete"}
_LESS: tuple[tuple[str, ...], ...] = ((), ("old",), ("old", "new"))
_LARGE = 10_000
# DynamoDB names this principal on records of rows that its TTL has deleted.
_TTL = "dynamodb.amazonaws.com"
Record = dict[str, Any]


def change_event(organization: str, change: Change) -> BusEvent:
    """The event of a change. Images that make it larger than 200 KB are left out, the old one first, and
    `leftOut` names them. Raises `InvalidRequest` or `TooLarge` for what no event can carry."""
    detail: dict[str, Any] = {
        "id": change.id,
        "time": iso(change.time),
        "organization": organization,
        "table": change.table,
        "operation": change.operation,
        "sequence": change.sequence,
        "keys": change.keys,
        "old": change.old,
        "new": change.new,
    } | ({"expired": True} if change.expired else {})
    check_payload(detail)
    for less in _LESS:
        names = sorted({*change.left_out, *less})
        text = _json(detail | dict.fromkeys(names) | ({"leftOut": names} if names else {}))
        if escaped_size(text) <= BYTES_PER_MESSAGE:
            return BusEvent(SOURCE, change.operation, text.decode())
    raise TooLarge(f"The row's keys alone have more than {BYTES_PER_MESSAGE // 1024} KB.")


def _json(detail: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(detail)
    except TypeError as error:
        raise InvalidRequest(f"The row cannot be written as JSON: {error}.", code="invalid_json") from error


class Changes(Struct, frozen=True):
    """The receivers of changes: the bus, or `rejected`, which has its own alarm."""

    bus: EventBus
    rejected: Queue
    owners: Owners

    async def reject(self, where: dict[str, Any], error: Exception) -> None:
        """Keeps where to find what cannot become an event, and why; so what comes behind it goes on. Raises
        transient errors again: those are no fault of the change."""
        if is_transient(error):
            raise error
        problem = unexpected(error)
        log.error("a change was rejected: %s", problem.message)
        dead_letter = {"code": problem.code, "reason": problem.message} | where
        await asyncio.to_thread(self.rejected.send, [_shortened(dead_letter)])

    async def capture_stream(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes an event of DynamoDB Streams. Returns `{"batchItemFailures": [{"itemIdentifier"}]}` with the
        first record that the bus did not take: Lambda goes on from there. Raises `Unavailable` for a table
        whose organization is not configured: everything waits until it is."""
        records: Sequence[Record] = batch["Records"]
        for start in range(0, len(records), BATCH):
            # Chunks go one after the other: Lambda repeats everything from the first failure on.
            chunk = records[start : start + BATCH]
            events = [event for record in chunk for event in await self._events(record)]
            try:
                await self.bus.put(events)
            except Exception:
                log.exception("%d records did not reach the bus", len(records) - start)
                return {"batchItemFailures": [{"itemIdentifier": chunk[0]["dynamodb"]["SequenceNumber"]}]}
        return {"batchItemFailures": []}

    async def _events(self, record: Record) -> list[BusEvent]:
        try:
            return [change_event(*one) for one in self.owners.split(read_record(record))]
        except Exception as error:
            await self.reject(_place(record), error)
            return []


def _shortened(dead_letter: dict[str, Any]) -> str:
    """The dead letter as a message can hold it: without what is large, if it must be."""
    text = to_json(dead_letter)
    if escaped_size(text) > BYTES_PER_MESSAGE:
        large = {name: None for name, value in dead_letter.items() if len(to_json(value)) > _LARGE}
        text = to_json(dead_letter | large)
    return text.decode()


def read_record(record: Record) -> Change:
    """The change that a stream's record tells of. Raises `InvalidRequest`."""
    try:
        image = record["dynamodb"]
        old, new = image.get("OldImage"), image.get("NewImage")
        return Change(
            id=record["eventID"],
            time=round(float(image["ApproximateCreationDateTime"]) * 1000),
            table=record["eventSourceARN"].split(":table/")[1].split("/")[0],
            operation=_OPERATIONS[record["eventName"]],
            keys=plain_row(image["Keys"]),
            old=None if old is None else plain_row(old),
            new=None if new is None else plain_row(new),
            sequence=ordered(image["SequenceNumber"]),
            expired=(record.get("userIdentity") or {}).get("principalId") == _TTL,
        )
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        message = f"This is no record of DynamoDB Streams: {type(error).__name__}."
        raise InvalidRequest(message, code="invalid_record") from error  # its own message may hold values


def _place(record: Record) -> dict[str, Any]:
    """Return where to find the record again while the stream has it: 24 hours."""
    image = record.get("dynamodb") or {}
    return {
        "id": record.get("eventID"),
        "stream": record.get("eventSourceARN"),
        "sequenceNumber": image.get("SequenceNumber"),
        "keys": image.get("Keys"),
    }
