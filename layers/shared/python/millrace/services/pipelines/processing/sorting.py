"""What the messages of the ingest queue hold: events for pipelines, or something to be done."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import orjson

from millrace.domain.clock import from_iso, iso
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.sources import ScheduleSource
from millrace.pipelines.event import Event
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.payloads import LONGEST_ID
from millrace.services.pipelines.plans import BrokenDefinition
from millrace.services.pipelines.processing.bus_events import (
    bus_event,
    feeds,
    own_event,
    source_type,
    unreadable_event,
)
from millrace.services.pipelines.processing.purge import purge
from millrace.services.pipelines.processing.redrive import redrive
from millrace.services.pipelines.processing.replay import drain, process_entry, replay
from millrace.services.pipelines.processing.unreadable import json_problem, refuse
from millrace.services.pipelines.queue_messages import event_from_record
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """The events that one message holds for one pipeline; `start` is the step to begin with, and such a
    group has been in the journal before. `version`: a definition of the past. `again`: how often its time
    was over before. `sent`: when, of a message that may tell how far the queue is behind."""

    message_id: str
    events: list[Event]
    start: int | None = None
    version: int | None = None
    again: int = 0
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`sent` is when it was first sent (epoch ms): the same on every redelivery. `problem` is what the
    reader of JSON has against it."""

    id: str
    body: dict[str, Any]
    sent: int
    receives: int = 1
    problem: InvalidRequest | None = None

    @property
    def is_new(self) -> bool:
        """Whether it could come as soon as it was sent; orders may have been delayed on purpose."""
        return not _NEW.isdisjoint(self.body) and _LATER.isdisjoint(self.body)

    @property
    def address(self) -> "Address":
        """Whose it is, of a message that names its pipeline."""
        return self.body["organization"], self.body["pipelineId"]

    def group(self, events: list[Event]) -> EventGroup:
        """What it holds for one pipeline."""
        body, sent = self.body, self.sent if self.is_new else None
        return EventGroup(self.id, events, body.get("start"), body.get("version"), body.get("again", 0), sent)


_FOREIGN = frozenset({"detail-type", "event"})
"""Messages that hold JSON which we did not write."""
_NEW = frozenset({"detail-type", "tick", "event", "events"})
_LATER = frozenset({"start", "again"})
Command = Callable[[float], Coroutine[Any, Any, None]]
Address = tuple[str, str]
Work = dict[Address, list[EventGroup]]


def read_message(ingest: Queue, record: dict[str, Any]) -> Message | None:
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
    sent = int(record["attributes"]["SentTimestamp"])
    receives = int(record["attributes"].get("ApproximateReceiveCount", 1))
    return Message(record["messageId"], body, sent, receives, problem)


async def sort_message(context: PipelineContext, message: Message, work: Work) -> Command | None:
    """Puts a message's events to their pipelines' work; or gives what it orders, to be done until a time."""
    body = message.body
    if "detail-type" in body:
        await _sort_bus_event(context, message, work)
        return None
    address = (body["organization"], body["pipelineId"])
    if "events" in body:
        work[address].append(message.group([event_from_record(one, address[1]) for one in body["events"]]))
    elif "event" in body:
        await _sort_own_event(context, address, message, work)
    elif "tick" in body:
        work[address].append(message.group([await _tick(context, address, message)]))
    else:
        return _command_of(context, address, body)
    return None


def _command_of(context: PipelineContext, address: Address, body: dict[str, Any]) -> Command:
    if "entry" in body:
        return lambda ends: process_entry(context, address, body["entry"], ends)
    if "replay" in body:
        return lambda ends: replay(context, address, body["replay"])
    if "redrive" in body:
        return lambda ends: redrive(context, address, body["redrive"])
    if "drain" in body:
        return lambda ends: drain(context, address, body["drain"])
    if "purge" in body:
        return lambda ends: purge(context, address, body["purge"], ends)
    raise InvalidRequest("The message orders nothing that is known.", code="invalid_event")


async def _sort_bus_event(context: PipelineContext, message: Message, work: Work) -> None:
    kind = source_type(message.body)
    if kind is None:
        _unclaimed(context, ("", ""), message.body, "names no pipeline: its rule needs the input transformer")
        return
    try:
        organization, event = bus_event(message.body, message.sent)
    except InvalidRequest as error:
        event, message = unreadable_event(message.body, message.sent), replace(message, problem=error)
        if not isinstance(event.payload.get("organization"), str):
            raise
        organization = event.payload["organization"]
    for pipeline in (await context.plans.of(organization, message.sent)).values():
        if pipeline.accepts_events and pipeline.source_type == kind:
            await _feed(context, organization, pipeline, event, message, work)


async def _feed(
    context: PipelineContext,
    organization: str,
    pipeline: Pipeline,
    event: Event,
    message: Message,
    work: Work,
) -> None:
    """Gives a pipeline an event that its source chooses; all of them where its definition cannot tell."""
    try:
        chosen = feeds(event, context.plans.compiled(organization, pipeline).plan.definition.source)
    except BrokenDefinition as error:
        log.error("%s", error.message)
        await refuse(context, organization, pipeline, [event], error)
        return
    if chosen:
        await _give(context, organization, pipeline, event, message, work)


async def _sort_own_event(context: PipelineContext, address: Address, message: Message, work: Work) -> None:
    """An event of any source, which a rule of the operator's own sends to one pipeline."""
    try:
        event = own_event(message.body["event"], message.sent)
    except InvalidRequest as error:
        event = unreadable_event(message.body["event"], message.sent)
        message = replace(message, problem=error)
    pipeline = (await context.plans.of(address[0], message.sent)).get(address[1])
    if pipeline is None:
        _unclaimed(context, address, message.body["event"], "is for a pipeline that there is not")
    elif not pipeline.accepts_events:
        _unclaimed(context, address, message.body["event"], f"is for a pipeline that is {pipeline.state}")
    else:
        await _give(context, address[0], pipeline, event, message, work)


def _unclaimed(context: PipelineContext, address: Address, envelope: dict[str, Any], why: str) -> None:
    """Log and count an event that a rule sent to nobody. It has no dead letter: whose should that be?"""
    organization, pipeline_id = address
    said = [str(envelope.get(name))[:LONGEST_ID] for name in ("id", "source", "detail-type")]
    log.error("event %r of %r (%r) %s: %r of %r", *said, why, pipeline_id, organization)
    context.meter.unclaimed(organization, pipeline_id, 1)


async def _give(
    context: PipelineContext,
    organization: str,
    pipeline: Pipeline,
    event: Event,
    message: Message,
    work: Work,
) -> None:
    """Adds an event to a pipeline's work, unless its JSON could not be read without loss."""
    if message.problem:
        await refuse(context, organization, pipeline, [event], message.problem)
    else:
        work[organization, pipeline.id].append(message.group([event]))


async def _tick(context: PipelineContext, address: Address, message: Message) -> Event:
    """The event of a schedule; the time it was to fire is its identity, since Scheduler may tell it twice."""
    tick = message.body["tick"]
    pipeline = await context.plans.running(*address)
    source = context.plans.compiled(address[0], pipeline).plan.definition.source
    payload = dict(source.payload or {}) if isinstance(source, ScheduleSource) else {}
    payload.setdefault("scheduledTime", tick["time"])
    time = from_iso(tick["time"])
    return Event(payload, f"{address[1]}@{iso(time)}", "schedule", "schedule", time, message.sent)
