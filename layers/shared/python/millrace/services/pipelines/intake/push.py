"""Events pushed over HTTP: validated, packed into messages, and accepted once they are on the queue."""

import asyncio
from hashlib import sha256
from typing import Any

import orjson

from millrace.domain.access import Principal
from millrace.domain.backpressure import REFUSE_AT
from millrace.domain.clock import from_iso
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.pipelines import Pipeline, allowed
from millrace.errors import Conflict, InvalidRequest, TooLarge, TooManyRequests
from millrace.pipelines.event import Event
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_record, json_size
from millrace.services.pipelines.payloads import LONGEST_ID, check_payload
from millrace.services.pipelines.queue_messages import BYTES_PER_MESSAGE, Events, pack

MAX_EVENTS = 1_000
_FIELDS = frozenset({"id", "type", "time", "payload"})


class Ingest:
    """Accepts items for running and paused pipelines. Events of a paused one wait until it is resumed."""

    def __init__(self, context: PipelineContext, backpressure: Backpressure) -> None:
        self._context = context
        self._backpressure = backpressure

    async def push(self, caller: Principal, pipeline_id: str, items: Any, key: str = "") -> list[str]:
        """Accept items, and return the events' ids.

        An item is an object, which is the event's payload, or `{payload, id?, type?, time?}`. If one item is
        invalid, none is accepted. Items pushed again within a day with the same idempotency `key` become the
        same events, with the same ids and times.

        Raises `Conflict` unless the pipeline accepts events, and `TooManyRequests` if it cannot keep up.
        """
        pipeline = await self._context.plans.running(caller.organization, pipeline_id)
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_EVENTS:
            raise InvalidRequest(f"Send 1 to {MAX_EVENTS:,} items.", code="invalid_items")
        now = self._context.clock()
        events = [event_from(item, at, now, key) for at, item in enumerate(items)]
        # The events were created once before this, so that invalid items do not use up the key.
        if key:
            content = orjson.dumps(items)
            first = await self._context.pipelines.first_push(
                caller.organization, pipeline_id, key, content, now
            )
            events = [event_from(item, at, first, key) for at, item in enumerate(items)]
        return await self.accept(caller.organization, pipeline, events)

    async def accept(self, organization: str, pipeline: Pipeline, events: list[Event]) -> list[str]:
        """Put validated events on the queue. Raises as `push` does."""
        if not pipeline.accepts_events:
            raise Conflict(
                f"The pipeline is {pipeline.state} and does not accept events.",
                code="pipeline_not_running",
                state=pipeline.state,
                allowed=allowed(pipeline.state),
            )
        await self._check_backpressure(organization, pipeline)
        for event in events:
            event.hops = current_hops()
        messages = list(pack(Events(organization, pipeline.id), map(event_record, events)))
        # Counting concurrently saves the caller a round trip, and the meter never raises.
        await asyncio.gather(
            asyncio.to_thread(self._context.ingest.send, messages, 0, organization),
            self._context.meter.accepted(organization, pipeline.id, len(messages)),
        )
        return [event.id for event in events]

    async def _check_backpressure(self, organization: str, pipeline: Pipeline) -> None:
        backpressure = await self._backpressure.of(organization, pipeline.id)
        if backpressure >= REFUSE_AT:
            raise TooManyRequests(
                "The pipeline cannot keep up; send again later.",
                code="backpressure",
                retry_after=5,
                backpressure=backpressure,
            )


def event_from(item: Any, at: int, now: int, key: str = "") -> Event:
    """Return a pushed item as an event.

    With a `key`, its id is derived from the key and from `now`, the time of the first push. Raises
    `InvalidRequest` or `TooLarge`.
    """
    if not isinstance(item, dict):
        raise InvalidRequest(f"items.{at}: an item must be a JSON object.", code="invalid_items")
    if isinstance(item.get("payload"), dict) and item.keys() <= _FIELDS:
        return _described(item, at, now, key)
    return checked(Event(item, _id(key, now, at), "api", "item", now, now), at)


def _id(key: str, first: int, at: int) -> str:
    """Return the id of an item that has none.

    Ids include the time of the first push, because a key that is used again after a day is a new push.
    """
    if not key:
        return new_id("evt")
    return "evt_" + sha256(f"{at}:{first}:{key}".encode(errors="surrogatepass")).hexdigest()[:26]


def _described(item: dict[str, Any], at: int, now: int, key: str) -> Event:
    id, type = item.get("id", ""), item.get("type", "item")
    for name, value in (("id", id), ("type", type)):
        if not isinstance(value, str) or len(value) > LONGEST_ID:
            message = f"items.{at}.{name}: a text of at most {LONGEST_ID} characters."
            raise InvalidRequest(message, code="invalid_items")
    event = Event(item["payload"], id or _id(key, now, at), "api", type, _time(item, at, now), now)
    return checked(event, at)


def _time(item: dict[str, Any], at: int, now: int) -> int:
    time = item.get("time", now)
    if isinstance(time, str):
        return from_iso(time)
    # The last millisecond of the year 9999, the maximum of Python's datetimes.
    if type(time) is not int or not 0 <= time <= 253_402_300_799_999:
        message = f"items.{at}.time: ISO 8601, or milliseconds since the epoch."
        raise InvalidRequest(message, code="invalid_items")
    return time


def checked(event: Event, at: int) -> Event:
    """Return the event, if it fits a message. Raises `InvalidRequest` or `TooLarge`."""
    check_payload(event.payload)
    if json_size(event_record(event)) > BYTES_PER_MESSAGE:
        raise TooLarge(f"items.{at}: an item must not exceed {BYTES_PER_MESSAGE // 1024} KB as JSON.")
    return event
