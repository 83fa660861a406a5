"""Messages of the ingest queue: events find their pipelines, and commands are performed."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.clock import from_iso, iso
from millrace.domain.pipelines import Address, Pipeline
from millrace.errors import InvalidRequest, NotFound
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
from millrace.services.pipelines.queue_messages import (
    BusEvent,
    Command,
    Drain,
    Events,
    IngestMessage,
    OperatorEvent,
    ProcessEntry,
    Purge,
    RedrivePage,
    Replay,
    Tick,
    ingest_message,
)
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)


class EventGroup(Struct, frozen=True):
    """The events in a message for a pipeline, or for several with equal sources.

    `start` is the step to begin with; such a group is already in the journal. `version` is an earlier
    definition. `again` is how often its time was up. `sent` is the time of a message that indicates the
    queue's delay.
    """

    message_id: str
    events: list[Event]
    start: int | None = None
    version: int | None = None
    again: int = 0
    sent: int | None = None

    def own_events(self, pipeline_id: str) -> list[Event]:
        """Return the events with this pipeline's id. Other pipelines may have the same group."""
        return [
            event if event.pipeline_id == pipeline_id else replace(event, pipeline_id=pipeline_id)
            for event in self.events
        ]


class Message(Struct, frozen=True):
    """A message.

    `sent` is the time it was first sent (epoch ms), the same on every redelivery. `problem` is the error of
    the JSON parser.
    """

    id: str
    content: IngestMessage
    sent: int
    receives: int = 1
    problem: InvalidRequest | None = None

    @property
    def is_new(self) -> bool:
        """True for a message that could be received as soon as it was sent.

        Others may be delayed on purpose.
        """
        match self.content:
            case BusEvent() | OperatorEvent() | Tick():
                return True
            case Events(start=None, again=0):
                return True
        return False

    def group(self, events: Sequence[Event]) -> EventGroup:
        """Return a group of the message's events, for one or more pipelines."""
        sent = self.sent if self.is_new else None
        if isinstance(self.content, Events):
            found = self.content
            return EventGroup(self.id, list(events), found.start, found.version, found.again, sent)
        return EventGroup(self.id, list(events), sent=sent)


Task = Callable[[float], Coroutine[Any, Any, None]]
"""Performs a command, until a time by the monotonic clock."""
Work = dict[Address, list[EventGroup]]


def read_message(ingest: Queue, record: dict[str, Any]) -> Message | None:
    """Return the message of an SQS record, or None for a large one that was already done.

    Raises `InvalidRequest`.
    """
    text = ingest.body(record)
    if text is None:
        log.warning("message %s was done before", record["messageId"])
        return None
    content = ingest_message(text)
    is_foreign = isinstance(content, BusEvent | OperatorEvent)  # JSON from other writers
    problem = json_problem(text) if is_foreign else None
    sent = int(record["attributes"]["SentTimestamp"])
    receives = int(record["attributes"].get("ApproximateReceiveCount", 1))
    return Message(record["messageId"], content, sent, receives, problem)


def organization_of(content: IngestMessage) -> str | None:
    """Return the organization whose pipelines process a message's events, if it names one."""
    match content:
        case BusEvent(envelope):
            detail = envelope.get("detail")
            organization = detail.get("organization") if isinstance(detail, dict) else None
            return organization if isinstance(organization, str) else None
        case OperatorEvent() | Events() | Tick():
            return content.organization
    return None


async def sort_message(context: PipelineContext, message: Message, work: Work) -> tuple[Address, Task] | None:
    """Add a message's events to the work of their pipelines; or return a command's pipeline and its task."""
    match message.content:
        case BusEvent(envelope):
            await _sort_bus_event(context, envelope, message, work)
        case OperatorEvent():
            await _sort_operator_event(context, message.content, message, work)
        case Tick():
            if event := await _tick(context, message.content, message.sent):
                event.pipeline_id = message.content.pipeline_id
                work[message.content.address].append(message.group([event]))
        case Events(_, pipeline_id, events):
            for event in events:
                event.pipeline_id = pipeline_id
            work[message.content.address].append(message.group(events))
        case command:
            return command.address, lambda ends: _carry_out(context, command, ends)
    return None


async def _carry_out(context: PipelineContext, command: Command, ends: float) -> None:
    match command:
        case ProcessEntry():
            await process_entry(context, command, ends)
        case Replay():
            await replay(context, command)
        case RedrivePage():
            await redrive(context, command)
        case Drain():
            await drain(context, command)
        case Purge():
            await purge(context, command, ends)
        case _:
            assert_never(command)


async def _sort_bus_event(
    context: PipelineContext, envelope: dict[str, Any], message: Message, work: Work
) -> None:
    kind = source_type(envelope)
    if kind is None:
        _unclaimed(context, ("", ""), envelope, "names no pipeline: its rule needs the input transformer")
        return
    try:
        organization, event = bus_event(envelope, message.sent)
    except InvalidRequest as error:
        event, message = unreadable_event(envelope, message.sent), replace(message, problem=error)
        # Without an organization a dead letter has no owner, so the message ends in the operators' queue.
        if not isinstance(event.payload.get("organization"), str):
            raise
        organization = event.payload["organization"]
    for takers in await context.plans.takers(organization, kind, message.sent):
        if isinstance(takers.source, BrokenDefinition):
            # It cannot tell which events it accepts, so all of them fail.
            log.error("%s", takers.source.message)
            for pipeline in takers.pipelines:
                await refuse(context, organization, pipeline, [event], takers.source)
        elif feeds(event, takers.source):
            await _give(context, organization, takers.pipelines, event, message, work)


async def _sort_operator_event(
    context: PipelineContext, own: OperatorEvent, message: Message, work: Work
) -> None:
    """Add an event from any source to the pipeline that an operator's own rule names."""
    try:
        event = own_event(own.event, message.sent)
    except InvalidRequest as error:
        event = unreadable_event(own.event, message.sent)
        message = replace(message, problem=error)
    pipeline = (await context.plans.of(own.organization, message.sent)).get(own.pipeline_id)
    if pipeline is None:
        _unclaimed(context, own.address, own.event, "is for a pipeline that does not exist")
    elif not pipeline.accepts_events:
        _unclaimed(context, own.address, own.event, f"is for a pipeline that is {pipeline.state}")
    else:
        await _give(context, own.organization, [pipeline], event, message, work)


def _unclaimed(context: PipelineContext, address: Address, envelope: dict[str, Any], why: str) -> None:
    """Log and count an event that a rule sent to no pipeline. A dead letter would have no owner."""
    organization, pipeline_id = address
    said = [str(envelope.get(name))[:LONGEST_ID] for name in ("id", "source", "detail-type")]
    log.error("event %r of %r (%r) %s: %r of %r", *said, why, pipeline_id, organization)
    context.meter.unclaimed(organization, pipeline_id, 1)


async def _give(
    context: PipelineContext,
    organization: str,
    pipelines: Sequence[Pipeline],
    event: Event,
    message: Message,
    work: Work,
) -> None:
    """Add an event to the work of pipelines, unless its JSON could not be read without loss."""
    if message.problem:
        for pipeline in pipelines:
            await refuse(context, organization, pipeline, [event], message.problem)
        return
    group = message.group([event])
    for pipeline in pipelines:
        work[organization, pipeline.id].append(group)


async def _tick(context: PipelineContext, tick: Tick, sent: int) -> Event | None:
    """Return the event of a schedule, identified by the time it was due, as Scheduler may send it twice.

    Return None for a pipeline whose definition is broken, and for one that is stopped or deleted: its
    schedule may outlive it by some ticks, or an interrupted stop has left it behind.
    """
    try:
        pipeline = await context.plans.running(*tick.address)
    except NotFound:
        _unclaimed(context, tick.address, {}, "is a tick for a pipeline that does not exist")
        return None
    if not pipeline.accepts_events:
        log.warning("pipeline %r of %r is %s and has a schedule", *reversed(tick.address), pipeline.state)
        return None
    try:
        source = context.plans.compiled(tick.organization, pipeline).plan.definition.source
    except BrokenDefinition as error:
        log.error("%s", error.message)
        await refuse(context, tick.organization, pipeline, [_tick_event(tick, {}, sent)], error)
        return None
    payload = source.payload if isinstance(source, ScheduleSource) else None
    return _tick_event(tick, payload or {}, sent)


def _tick_event(tick: Tick, payload: dict[str, Any], sent: int) -> Event:
    time = from_iso(tick.time)
    payload = {"scheduledTime": tick.time} | payload
    return Event(payload, f"{tick.pipeline_id}@{iso(time)}", "schedule", "schedule", time, sent)
