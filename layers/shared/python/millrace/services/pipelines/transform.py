"""A batch of the ingest queue: events find their pipelines, are journaled, and go through the engine.

A batch is taken by pipeline, not message by message: one journal object and one block of a window for all of
its events. Where one message spoils the rest, each is tried by itself; what fails is reported, so that the
queue repeats only that.
"""

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import orjson

from millrace.domain.clock import from_iso, iso
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest, NotFound
from millrace.pipelines.definitions.sources import ScheduleSource
from millrace.pipelines.event import Event
from millrace.services.pipelines.line import Line
from millrace.services.pipelines.match import bus_event, feeds, own_event, source_type, unreadable_event
from millrace.services.pipelines.messages import event_of, order, recorded
from millrace.services.pipelines.redrive import redrive
from millrace.services.pipelines.replay import drain, replay, take_entry
from millrace.services.pipelines.run import take
from millrace.services.pipelines.unreadable import json_problem, refuse
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """The events that one message holds for one pipeline; `start` is the step to begin with, and such a
    parcel has been in the journal before. `version`: a definition of the past."""

    message_id: str
    events: list[Event]
    start: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`sent` is when it was first sent (epoch ms): the same on every redelivery. `problem` is what the
    reader of JSON has against it."""

    id: str
    body: dict[str, Any]
    sent: int
    problem: InvalidRequest | None = None

    @property
    def is_new(self) -> bool:
        """Whether it could come as soon as it was sent; orders may have been delayed on purpose."""
        return not _NEW.isdisjoint(self.body) and "start" not in self.body


_FOREIGN = frozenset({"detail-type", "event"})
"""Messages that hold JSON which we did not write."""
_NEW = frozenset({"detail-type", "tick", "event", "events"})
Address = tuple[str, str]
Work = dict[Address, list[Parcel]]


async def transform_batch(line: Line, batch: dict[str, Any]) -> dict[str, Any]:
    """Takes an SQS event; returns `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    failed: set[str] = set()
    work: Work = defaultdict(list)
    oldest = line.clock()
    for record in batch["Records"]:
        try:
            message = _read(line.ingest, record)
            if message is None:
                continue
            oldest = min(oldest, message.sent) if message.is_new else oldest
            await _sort(line, message, work)
        except Exception:
            log.exception("message %s cannot be read", record["messageId"])
            failed.add(record["messageId"])
    lag = line.clock() - oldest
    for address, parcels in work.items():
        failed.update(await _take_all(line, address, parcels, lag))
    done = [record for record in batch["Records"] if record["messageId"] not in failed]
    if done:
        await line.meter.taken(line.ingest.name, len(done), lag * len(done))
    for record in done:
        line.ingest.done(record)
    return await asyncio.to_thread(line.ingest.answer, batch, failed)


def _read(ingest: Queue, record: dict[str, Any]) -> Message | None:
    """None for a large message that was done before."""
    text = ingest.body(record)
    if text is None:
        log.warning("message %s was done before", record["messageId"])
        return None
    body = orjson.loads(text)
    if not isinstance(body, dict):
        raise InvalidRequest("The message is no object.", code="invalid_event")
    foreign = not _FOREIGN.isdisjoint(body)
    problem = json_problem(text) if foreign else None
    return Message(record["messageId"], body, int(record["attributes"]["SentTimestamp"]), problem)


async def _sort(line: Line, message: Message, work: Work) -> None:
    """Puts a message's events to their pipelines' work, or does what it orders."""
    body = message.body
    if "detail-type" in body:
        await _sort_bus_event(line, message, work)
        return
    address = (body["organization"], body["pipelineId"])
    if "events" in body:
        events = [event_of(one, address[1]) for one in body["events"]]
        work[address].append(Parcel(message.id, events, body.get("start"), body.get("version")))
    elif "event" in body:
        await _sort_own_event(line, address, message, work)
    elif "tick" in body:
        work[address].append(Parcel(message.id, [await _tick(line, address, message)]))
    elif "entry" in body:
        await take_entry(line, address, body["entry"])
    elif "replay" in body:
        await replay(line, address, body["replay"])
    elif "redrive" in body:
        await redrive(line, address, body["redrive"])
    elif "drain" in body:
        await drain(line, address, body["drain"])
    else:
        raise InvalidRequest("The message orders nothing that is known.", code="invalid_event")


async def _sort_bus_event(line: Line, message: Message, work: Work) -> None:
    kind = source_type(message.body)
    if kind is None:
        return
    try:
        organization, event = bus_event(message.body, message.sent)
    except InvalidRequest as error:
        event, message = unreadable_event(message.body, message.sent), replace(message, problem=error)
        if not isinstance(event.payload.get("organization"), str):
            raise
        organization = event.payload["organization"]
    for pipeline in (await line.plans.of(organization, message.sent)).values():
        if pipeline.takes_events and pipeline.source_type == kind:
            if feeds(event, line.plans.made(organization, pipeline).plan.definition.source):
                await _give(line, organization, pipeline, event, message, work)


async def _sort_own_event(line: Line, address: Address, message: Message, work: Work) -> None:
    """An event of any source, which a rule of the operator's own sends to one pipeline."""
    try:
        event = own_event(message.body["event"], message.sent)
    except InvalidRequest as error:
        event = unreadable_event(message.body["event"], message.sent)
        message = replace(message, problem=error)
    pipeline = (await line.plans.of(address[0], message.sent)).get(address[1])
    if pipeline and pipeline.takes_events:
        await _give(line, address[0], pipeline, event, message, work)


async def _give(
    line: Line, organization: str, pipeline: Pipeline, event: Event, message: Message, work: Work
) -> None:
    """Adds an event to a pipeline's work, unless its JSON could not be read without loss."""
    if message.problem:
        await refuse(line, organization, pipeline, event, message.problem)
    else:
        work[organization, pipeline.id].append(Parcel(message.id, [event]))


async def _tick(line: Line, address: Address, message: Message) -> Event:
    """The event of a schedule; the time it was to fire is its identity, since Scheduler may tell it twice."""
    tick = message.body["tick"]
    pipeline = await line.plans.running(*address)
    source = line.plans.made(address[0], pipeline).plan.definition.source
    payload = dict(source.payload or {}) if isinstance(source, ScheduleSource) else {}
    payload.setdefault("scheduledTime", tick["time"])
    time = from_iso(tick["time"])
    return Event(payload, f"{address[1]}@{iso(time)}", "schedule", "schedule", time, message.sent)


async def _take_all(line: Line, address: Address, parcels: list[Parcel], lag: int) -> list[str]:
    """The ids of the messages that failed."""
    try:
        await _take(line, address, parcels, lag)
    except NotFound as problem:
        log.warning("%d messages are for no pipeline: %s", len(parcels), problem.message)
    except Exception:
        log.exception("%d messages of one pipeline were not taken together", len(parcels))
        if len(parcels) == 1:
            return [parcels[0].message_id]
        return [one for parcel in parcels for one in await _take_all(line, address, [parcel], lag)]
    return []


async def _take(line: Line, address: Address, parcels: list[Parcel], lag: int) -> None:
    organization, pipeline_id = address
    fresh = [event for one in parcels if one.start is None for event in one.events]
    for event in fresh:
        event.pipeline_id = pipeline_id
    pipeline = await line.plans.running(organization, pipeline_id)
    if fresh:
        await _take_fresh(line, organization, pipeline, fresh, lag)
    for parcel in parcels:
        if parcel.start is not None:
            made = await line.plans.version(organization, pipeline_id, parcel.version or pipeline.version)
            await take(line, made, parcel.events, start=parcel.start, backfill=True)


async def _take_fresh(
    line: Line, organization: str, pipeline: Pipeline, events: list[Event], lag: int
) -> None:
    """Journals events and processes them, unless the pipeline is paused. One that was stopped meanwhile
    still takes what was accepted before."""
    records = [recorded(event) for event in events]
    paused = pipeline.state == "paused"
    entry = await line.journal.write(
        organization, pipeline.id, records, pipeline.version, line.clock(), waiting=paused
    )
    if not paused:
        await take(line, line.plans.made(organization, pipeline), events, lag=lag)
    elif (await line.pipelines.get(organization, pipeline.id)).state != "paused":
        # Resumed between our two looks: whoever resumed may have listed what waits before we wrote.
        entry_order = {"key": entry.key, "position": entry.position, "waiting": True}
        line.ingest.send([order(organization, pipeline.id, entry=entry_order)], organization=organization)
