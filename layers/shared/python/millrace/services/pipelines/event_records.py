"""Events as stored in queues, journal and dead letters."""

from typing import Any

import orjson

from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event, UnreadEvent
from millrace.stores.queues import escaped_size

EventRecord = dict[str, Any]
"""JSON values:

`id`, `source`, `type`, `time`, `ingested`, `payload`; optional `window`, `hops`, `sequence`.
"""


def event_record(event: Event) -> EventRecord:
    """Return an event without its pipeline. A payload that is JSON is written unchanged."""
    record = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time,
        "ingested": event.ingested,
        "payload": orjson.Fragment(bytes(event.payload)) if type(event) is UnreadEvent else event.payload,
    }
    if event.window:
        record["window"] = event.window
    if event.hops:
        record["hops"] = event.hops
    if event.sequence:
        record["sequence"] = event.sequence
    return record


def event_from_record(record: EventRecord, pipeline_id: str) -> Event:
    """Return the event of a record."""
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


def json_size(value: Any) -> int:
    """Return the size in bytes of a value as JSON in a message.

    Raises `InvalidRequest` for values that cannot be encoded: integers over 64 bits, unpaired surrogates.
    """
    try:
        return escaped_size(orjson.dumps(value))
    except TypeError as error:
        raise InvalidRequest(f"This cannot be stored as JSON: {error}.", code="invalid_json") from error
