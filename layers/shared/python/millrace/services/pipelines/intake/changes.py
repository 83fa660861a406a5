"""Changes of database rows on their way to the bus: DynamoDB Streams, and code that all sources share.

A stream advances only when its records are on the bus. An event's id is that of the stream record, so a
repeated record is the same event. A change that can never become an event goes to a dead-letter queue with
the reason, and does not block the records after it.
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
# DynamoDB names this principal in records of rows that its TTL has deleted.
_TTL = "dynamodb.amazonaws.com"
Record = dict[str, Any]


def change_event(organization: str, change: Change) -> BusEvent:
    """Return the event of a change.

    Images that make it larger than 200 KB are left out, the old one first, and `leftOut` names them. Raises
    `InvalidRequest` or `TooLarge` for a change that no event can hold.
    """
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
    """The destinations of changes: the bus, or the queue `rejected`, which has an alarm."""

    bus: EventBus
    rejected: Queue
    owners: Owners

    async def reject(self, where: dict[str, Any], error: Exception) -> None:
        """Record the position of a change that cannot become an event, with the reason, so that later ones
        proceed.

        Raises transient errors again, because they are not the change's fault.
        """
        if is_transient(error):
            raise error
        problem = unexpected(error)
        log.error("a change was rejected: %s", problem.message)
        dead_letter = {"code": problem.code, "reason": problem.message} | where
        await asyncio.to_thread(self.rejected.send, [_shortened(dead_letter)])

    async def capture_stream(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Process an event of DynamoDB Streams.

        Return `{"batchItemFailures": [{"itemIdentifier"}]}` with the first record that the bus did not
        accept, from which Lambda continues. Raises `Unavailable` for a table whose organization is not
        configured, so that everything waits until it is.
        """
        records: Sequence[Record] = batch["Records"]
        for start in range(0, len(records), BATCH):
            # In sequence, because Lambda repeats everything from the first failure on.
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
    """Return the dead letter as text that fits in a message, without large values if necessary."""
    text = to_json(dead_letter)
    if escaped_size(text) > BYTES_PER_MESSAGE:
        large = {name: None for name, value in dead_letter.items() if len(to_json(value)) > _LARGE}
        text = to_json(dead_letter | large)
    return text.decode()


def read_record(record: Record) -> Change:
    """Return the change in a stream's record. Raises `InvalidRequest`."""
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
        message = f"This is not a record of DynamoDB Streams: {type(error).__name__}."
        # the original message may contain values
        raise InvalidRequest(message, code="invalid_record") from error


def _place(record: Record) -> dict[str, Any]:
    """Return the record's position, where the stream keeps it for 24 hours."""
    image = record.get("dynamodb") or {}
    return {
        "id": record.get("eventID"),
        "stream": record.get("eventSourceARN"),
        "sequenceNumber": image.get("SequenceNumber"),
        "keys": image.get("Keys"),
    }
