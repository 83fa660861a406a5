"""What pipelines' queues carry, as JSON text: events packed to fill messages, and orders.

Ingest queue: an EventBridge event, or `{organization, pipelineId}` with one of `events` (and `start`,
`version` for those that begin at a later step), `event` (of EventBridge, by an operator's own rule), `tick`
(of a schedule), `entry`, `replay`, `redrive`, `drain`, `purge`.
Timer queue: `{key, at}`, or `{organization, pipelineId, stop: <round>}`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event
from millrace.stores.queues import escaped_size

EVENTS_PER_MESSAGE = 200
BYTES_PER_MESSAGE = 200 * 1024
EventRecord = dict[str, Any]


def event_record(event: Event) -> EventRecord:
    """An event as queues, journal and dead letters carry it: all of it but its pipeline."""
    record = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time,
        "ingested": event.ingested,
        "payload": event.payload,
    }
    if event.window:
        record["window"] = event.window
    if event.hops:
        record["hops"] = event.hops
    if event.sequence:
        record["sequence"] = event.sequence
    return record


def event_from_record(record: EventRecord, pipeline_id: str) -> Event:
    """The event of a record."""
    event = Event(
        record["payload"],
        record["id"],
        record["source"],
        record["type"],
        record["time"],
        record["ingested"],
        pipeline_id,
        record.get("window"),
    )
    if "hops" in record:
        event.hops = record["hops"]
    event.sequence = record.get("sequence") or ""
    return event


def pack(head: dict[str, Any], events: Iterable[EventRecord]) -> Iterator[str]:
    """Messages of at most 200 events and 200 KB (one event alone may be larger): `head` with `events`."""
    chunk: list[bytes] = []
    size = 0
    for event in events:
        one = orjson.dumps(event)
        length = escaped_size(one)
        if chunk and (len(chunk) == EVENTS_PER_MESSAGE or size + length > BYTES_PER_MESSAGE):
            yield _message(head, chunk)
            chunk, size = [], 0
        chunk.append(one)
        size += length + 1
    if chunk:
        yield _message(head, chunk)


def json_size(value: Any) -> int:
    """Bytes as JSON in a message. Raises `InvalidRequest` for what cannot be written: integers over 64 bits,
    halves of surrogate pairs."""
    try:
        return escaped_size(orjson.dumps(value))
    except TypeError as error:
        raise InvalidRequest(f"This cannot be stored as JSON: {error}.", code="invalid_json") from error


def _message(head: dict[str, Any], chunk: list[bytes]) -> str:
    return orjson.dumps(head | {"events": [orjson.Fragment(one) for one in chunk]}).decode()


def command(organization: str, pipeline_id: str, **what: Any) -> str:
    """A message that asks for something to be done."""
    return orjson.dumps({"organization": organization, "pipelineId": pipeline_id} | what).decode()
