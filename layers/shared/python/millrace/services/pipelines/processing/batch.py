"""A batch of the ingest queue: events find their pipelines, are journaled, and go through the engine.

A batch is taken by pipeline, not message by message: one journal object and one block of a window for all of
its events. Where one message spoils the rest, each is tried by itself; what fails is reported, so that the
queue repeats only that.

Pipelines of a batch run side by side, each with a share of the time. Events for which a pipeline's share does
not suffice go back to the queue and come alone, in small portions; at least one of them gets done each time.
Messages that come again, because a function died or failed over them, come last and one by one, and what was
done before them is acknowledged first: so they cannot take their neighbors along again.
"""

import asyncio
import logging
import time
from collections import defaultdict
from itertools import starmap
from typing import Any

from millrace.domain.pipelines import Pipeline
from millrace.errors import NotFound
from millrace.pipelines.event import Event
from millrace.pipelines.work import Unfinished
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_record
from millrace.services.pipelines.plans import BrokenDefinition
from millrace.services.pipelines.processing.engine import process
from millrace.services.pipelines.processing.sorting import (
    EventGroup,
    Message,
    Task,
    Work,
    read_message,
    sort_message,
)
from millrace.services.pipelines.processing.unreadable import refuse
from millrace.services.pipelines.queue_messages import Address, Events, ProcessEntry, encode, pack
from millrace.stores.journal import Entry
from millrace.telemetry import logs

log = logging.getLogger(__name__)

AT_ONCE = 4
SHARE_SECONDS = 5.0
"""Of a pipeline in a batch; a small part of the function's timeout."""
BATCH_SECONDS = 30.0
"""After this no message that has come again is begun."""
PORTION = 20
AGAIN_MS = 1_000


async def transform_batch(context: PipelineContext, batch: dict[str, Any]) -> dict[str, Any]:
    """Takes an SQS event; returns `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    failed: set[str] = set()
    ends = time.monotonic() + BATCH_SECONDS
    messages = _read_all(context, batch, failed)
    records = {record["messageId"]: record for record in batch["Records"]}
    first = [message for message in messages if message.receives == 1]
    await _process_together(context, first, failed)
    # The most suspect message comes last: if it kills the function, all others have been acknowledged.
    again = sorted((one for one in messages if one.receives > 1), key=lambda one: one.receives)
    if again:
        done = [records[one.id] for one in first if one.id not in failed]
        await asyncio.to_thread(context.ingest.acknowledge, done)
    for message in again:
        if time.monotonic() > ends:
            failed.add(message.id)
            continue
        await _process_together(context, [message], failed)
        if message.id not in failed:
            await asyncio.to_thread(context.ingest.acknowledge, [records[message.id]])
    # A message may feed several pipelines, and needs its object again if it failed for one of them.
    for id in records.keys() - failed:
        context.ingest.done(records[id])
    return await asyncio.to_thread(context.ingest.answer, batch, failed)


def _read_all(context: PipelineContext, batch: dict[str, Any], failed: set[str]) -> list[Message]:
    messages: list[Message] = []
    for record in batch["Records"]:
        try:
            message = read_message(context.ingest, record)
        except Exception:
            log.exception("message %s cannot be read", record["messageId"])
            failed.add(record["messageId"])
        else:
            messages += [message] if message else []
    return messages


async def _process_together(context: PipelineContext, messages: list[Message], failed: set[str]) -> None:
    """All work of these messages, side by side. Adds the ids of those that failed."""
    work: Work = defaultdict(list)
    tasks: dict[Address, list[tuple[str, Task]]] = defaultdict(list)
    for message in messages:
        try:
            if found := await sort_message(context, message, work):
                address, task = found
                tasks[address].append((message.id, task))
        except Exception:
            log.exception("message %s cannot be sorted", message.id)
            failed.add(message.id)
    slots = asyncio.Semaphore(AT_ONCE)

    async def process_groups(address: Address, groups: list[EventGroup]) -> None:
        organization, pipeline_id = address
        async with slots:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            failed.update(await _process_all(context, address, groups, ends))

    async def carry_out(address: Address, found: list[tuple[str, Task]]) -> None:
        organization, pipeline_id = address
        async with slots:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            for message_id, task in found:  # one after the other: one may look for what another has done
                try:
                    await task(ends)
                except Exception:
                    log.exception("the command of message %s failed", message_id)
                    failed.add(message_id)

    await asyncio.gather(*starmap(process_groups, work.items()), *starmap(carry_out, tasks.items()))
    await _count(context, [one for one in messages if one.id not in failed], work)


async def _count(context: PipelineContext, done: list[Message], work: Work) -> None:
    """Tells how the queue is drained, and for how many pipelines."""
    now = context.clock()
    lag = sum(now - one.sent for one in done if one.is_new)
    if done:
        of_each = {address: len(groups) for address, groups in work.items()}
        await context.meter.received(context.ingest.name, len(done), lag, of_each)


async def _process_all(
    context: PipelineContext, address: Address, groups: list[EventGroup], ends: float
) -> list[str]:
    """The ids of the messages that failed."""
    try:
        await _process(context, address, groups, ends)
    except NotFound as error:
        # The pipeline was deleted. No repetition would find it, so the messages count as done.
        events = sum(len(group.events) for group in groups)
        log.warning("%d events are for no pipeline: %s", events, error.message)
        context.meter.unclaimed(*address, events)
    except BrokenDefinition as error:
        # Groups may name versions of their own, of which only one need be broken.
        if len(groups) == 1:
            await _refuse(context, address, groups[0], error)
            return []
        return [one for group in groups for one in await _process_all(context, address, [group], ends)]
    except Exception:
        log.exception("%d messages of one pipeline were not taken together", len(groups))
        if len(groups) == 1:
            return [groups[0].message_id]
        return [one for group in groups for one in await _process_all(context, address, [group], ends)]
    return []


async def _refuse(
    context: PipelineContext, address: Address, group: EventGroup, problem: BrokenDefinition
) -> None:
    """Makes dead letters of events whose definition cannot be compiled, which would fail for ever."""
    organization, pipeline_id = address
    log.error("%s", problem.message)
    pipeline = await context.plans.running(organization, pipeline_id)
    await refuse(context, organization, pipeline, group.events, problem, group.start or 0)


async def _process(context: PipelineContext, address: Address, groups: list[EventGroup], ends: float) -> None:
    organization, pipeline_id = address
    log.debug("%d messages of one pipeline are taken", len(groups))
    pipeline = await context.plans.running(organization, pipeline_id)
    new = [one for one in groups if one.start is None and not one.again]
    for group in new:
        for event in group.events:
            event.pipeline_id = pipeline_id
    if new:
        await _process_new(context, organization, pipeline, new, ends)
    for group in groups:
        if group.again and group.start is None and pipeline.state == "paused":
            await _keep_waiting(context, organization, pipeline, group.events)
        elif group.again or group.start is not None:
            await _process_later(context, organization, pipeline, group, ends)


async def _process_new(
    context: PipelineContext, organization: str, pipeline: Pipeline, groups: list[EventGroup], ends: float
) -> None:
    """Journals events and processes them, unless the pipeline is paused. One that was stopped meanwhile
    still takes what was accepted before."""
    events = [event for group in groups for event in group.events]
    if pipeline.state == "paused":
        await _keep_waiting(context, organization, pipeline, events)
        return
    # The journal comes first: a replay must find whatever destinations may have seen.
    await _write(context, organization, pipeline, events)
    lag = max((context.clock() - one.sent for one in groups if one.sent is not None), default=0)
    compiled = context.plans.compiled(organization, pipeline)
    try:
        await process(context, compiled, events, lag=lag, ends=ends, messages=len(groups))
    except Unfinished as error:
        # These are in the journal by now; `again` keeps them from being written to it twice.
        await _send_again(context, Events(organization, pipeline.id, again=1), error.events)


async def _process_later(
    context: PipelineContext, organization: str, pipeline: Pipeline, group: EventGroup, ends: float
) -> None:
    """Events that are in the journal: from a later step, or those whose time was over before. Each time in
    smaller portions, at last one by one: an event alone is always finished."""
    compiled = await context.plans.version(organization, pipeline.id, group.version or pipeline.version)
    size = PORTION if group.again == 1 else 1 if group.again else len(group.events)
    left = group.events
    while left:
        portion, rest = left[:size], left[size:]
        try:
            start, backfill = group.start or 0, group.start is not None
            await process(context, compiled, portion, start=start, backfill=backfill, ends=ends)
            left = rest
        except Unfinished as error:
            left = [*error.events, *rest]
            break
        if time.monotonic() > ends:
            break
    head = Events(organization, pipeline.id, start=group.start, version=group.version, again=group.again + 1)
    await _send_again(context, head, left)


async def _send_again(context: PipelineContext, head: Events, events: list[Event]) -> None:
    """Send events that there was no time for back to the queue, in messages like `head`; others come
    first."""
    if not events:
        return
    log.warning("%d events of pipeline %s need more time", len(events), head.pipeline_id)
    messages = list(pack(head, map(event_record, events)))
    await asyncio.to_thread(context.ingest.send, messages, AGAIN_MS, head.organization)


async def _keep_waiting(
    context: PipelineContext, organization: str, pipeline: Pipeline, events: list[Event]
) -> None:
    """Events of a paused pipeline stay in the journal, until it is resumed."""
    entry = await _write(context, organization, pipeline, events, waiting=True)
    if (await context.pipelines.get(organization, pipeline.id)).state != "paused":
        # Resumed between our two looks: whoever resumed may have listed what waits before we wrote.
        command = ProcessEntry(organization, pipeline.id, entry.position, entry.key, waiting=True)
        await asyncio.to_thread(context.ingest.send, [encode(command)], 0, organization)


async def _write(
    context: PipelineContext,
    organization: str,
    pipeline: Pipeline,
    events: list[Event],
    waiting: bool = False,
) -> Entry:
    records = [event_record(event) for event in events]
    return await context.journal.write(
        organization, pipeline.id, records, pipeline.version, context.clock(), waiting=waiting
    )
