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
from millrace.services.pipelines.line import BrokenDefinition, Line
from millrace.services.pipelines.messages import order, pack, recorded
from millrace.services.pipelines.run import take
from millrace.services.pipelines.sorting import (
    Address,
    Message,
    Order,
    Parcel,
    Work,
    read_message,
    sort_message,
)
from millrace.services.pipelines.unreadable import refuse
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


async def transform_batch(line: Line, batch: dict[str, Any]) -> dict[str, Any]:
    """Takes an SQS event; returns `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    failed: set[str] = set()
    ends = time.monotonic() + BATCH_SECONDS
    messages = _read_all(line, batch, failed)
    records = {record["messageId"]: record for record in batch["Records"]}
    first = [message for message in messages if message.receives == 1]
    await _take_together(line, first, failed)
    again = sorted((one for one in messages if one.receives > 1), key=lambda one: one.receives)
    if again:
        done = [records[one.id] for one in first if one.id not in failed]
        await asyncio.to_thread(line.ingest.acknowledge, done)
    for message in again:
        if time.monotonic() > ends:
            failed.add(message.id)
            continue
        await _take_together(line, [message], failed)
        if message.id not in failed:
            await asyncio.to_thread(line.ingest.acknowledge, [records[message.id]])
    for id in records.keys() - failed:
        line.ingest.done(records[id])
    return await asyncio.to_thread(line.ingest.answer, batch, failed)


def _read_all(line: Line, batch: dict[str, Any], failed: set[str]) -> list[Message]:
    messages: list[Message] = []
    for record in batch["Records"]:
        try:
            message = read_message(line.ingest, record)
        except Exception:
            log.exception("message %s cannot be read", record["messageId"])
            failed.add(record["messageId"])
        else:
            messages += [message] if message else []
    return messages


async def _take_together(line: Line, messages: list[Message], failed: set[str]) -> None:
    """All work of these messages, side by side. Adds the ids of those that failed."""
    work: Work = defaultdict(list)
    orders: dict[Address, list[tuple[str, Order]]] = defaultdict(list)
    for message in messages:
        try:
            if found := await sort_message(line, message, work):
                orders[message.address].append((message.id, found))
        except Exception:
            log.exception("message %s cannot be sorted", message.id)
            failed.add(message.id)
    places = asyncio.Semaphore(AT_ONCE)

    async def taken(address: Address, parcels: list[Parcel]) -> None:
        organization, pipeline_id = address
        async with places:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            failed.update(await _take_all(line, address, parcels, ends))

    async def ordered(address: Address, found: list[tuple[str, Order]]) -> None:
        organization, pipeline_id = address
        async with places:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            for message_id, do in found:  # one after the other: one may look for what another has done
                try:
                    await do(ends)
                except Exception:
                    log.exception("the order of message %s failed", message_id)
                    failed.add(message_id)

    await asyncio.gather(*starmap(taken, work.items()), *starmap(ordered, orders.items()))
    await _count(line, [one for one in messages if one.id not in failed], work)


async def _count(line: Line, done: list[Message], work: Work) -> None:
    """Tells how the queue is drained, and for how many pipelines."""
    now = line.clock()
    lag = sum(now - one.sent for one in done if one.is_new)
    if done:
        of_each = {address: len(parcels) for address, parcels in work.items()}
        await line.meter.taken(line.ingest.name, len(done), lag, of_each)


async def _take_all(line: Line, address: Address, parcels: list[Parcel], ends: float) -> list[str]:
    """The ids of the messages that failed."""
    try:
        await _take(line, address, parcels, ends)
    except NotFound as problem:
        events = sum(len(parcel.events) for parcel in parcels)
        log.warning("%d events are for no pipeline: %s", events, problem.message)
        line.meter.unclaimed(*address, events)
    except BrokenDefinition as problem:
        if len(parcels) == 1:
            await _refuse(line, address, parcels[0], problem)
            return []
        return [one for parcel in parcels for one in await _take_all(line, address, [parcel], ends)]
    except Exception:
        log.exception("%d messages of one pipeline were not taken together", len(parcels))
        if len(parcels) == 1:
            return [parcels[0].message_id]
        return [one for parcel in parcels for one in await _take_all(line, address, [parcel], ends)]
    return []


async def _refuse(line: Line, address: Address, parcel: Parcel, problem: BrokenDefinition) -> None:
    """Makes dead letters of events whose definition cannot be compiled, which would fail for ever."""
    organization, pipeline_id = address
    log.error("%s", problem.message)
    pipeline = await line.plans.running(organization, pipeline_id)
    await refuse(line, organization, pipeline, parcel.events, problem, parcel.start or 0)


async def _take(line: Line, address: Address, parcels: list[Parcel], ends: float) -> None:
    organization, pipeline_id = address
    log.debug("%d messages of one pipeline are taken", len(parcels))
    pipeline = await line.plans.running(organization, pipeline_id)
    new = [one for one in parcels if one.start is None and not one.again]
    for parcel in new:
        for event in parcel.events:
            event.pipeline_id = pipeline_id
    if new:
        await _take_new(line, organization, pipeline, new, ends)
    for parcel in parcels:
        if parcel.again and parcel.start is None and pipeline.state == "paused":
            await _keep_waiting(line, organization, pipeline, parcel.events)
        elif parcel.again or parcel.start is not None:
            await _take_later(line, organization, pipeline, parcel, ends)


async def _take_new(
    line: Line, organization: str, pipeline: Pipeline, parcels: list[Parcel], ends: float
) -> None:
    """Journals events and processes them, unless the pipeline is paused. One that was stopped meanwhile
    still takes what was accepted before."""
    events = [event for parcel in parcels for event in parcel.events]
    if pipeline.state == "paused":
        await _keep_waiting(line, organization, pipeline, events)
        return
    await _write(line, organization, pipeline, events)
    lag = max((line.clock() - one.sent for one in parcels if one.sent is not None), default=0)
    made = line.plans.made(organization, pipeline)
    try:
        await take(line, made, events, lag=lag, ends=ends, messages=len(parcels))
    except Unfinished as over:
        await _send_again(line, organization, pipeline.id, over.events, {"again": 1})


async def _take_later(line: Line, organization: str, pipeline: Pipeline, parcel: Parcel, ends: float) -> None:
    """Events that are in the journal: from a later step, or those whose time was over before. Each time in
    smaller portions, at last one by one: an event alone is always finished."""
    made = await line.plans.version(organization, pipeline.id, parcel.version or pipeline.version)
    size = PORTION if parcel.again == 1 else 1 if parcel.again else len(parcel.events)
    left = parcel.events
    while left:
        portion, rest = left[:size], left[size:]
        try:
            start, backfill = parcel.start or 0, parcel.start is not None
            await take(line, made, portion, start=start, backfill=backfill, ends=ends)
            left = rest
        except Unfinished as over:
            left = [*over.events, *rest]
            break
        if time.monotonic() > ends:
            break
    head = {"again": parcel.again + 1} | ({} if parcel.start is None else {"start": parcel.start})
    more = {"version": parcel.version} if parcel.version else {}
    await _send_again(line, organization, pipeline.id, left, head | more)


async def _send_again(
    line: Line, organization: str, pipeline_id: str, events: list[Event], more: dict[str, int]
) -> None:
    """Back to the queue, for which the time was over: others come first."""
    if not events:
        return
    log.warning("%d events of pipeline %s need more time", len(events), pipeline_id)
    head = {"organization": organization, "pipelineId": pipeline_id} | more
    messages = list(pack(head, map(recorded, events)))
    await asyncio.to_thread(line.ingest.send, messages, AGAIN_MS, organization)


async def _keep_waiting(line: Line, organization: str, pipeline: Pipeline, events: list[Event]) -> None:
    """Events of a paused pipeline stay in the journal, until it is resumed."""
    entry = await _write(line, organization, pipeline, events, waiting=True)
    if (await line.pipelines.get(organization, pipeline.id)).state != "paused":
        # Resumed between our two looks: whoever resumed may have listed what waits before we wrote.
        told = order(
            organization,
            pipeline.id,
            entry={"key": entry.key, "position": entry.position, "waiting": True},
        )
        await asyncio.to_thread(line.ingest.send, [told], 0, organization)


async def _write(
    line: Line, organization: str, pipeline: Pipeline, events: list[Event], waiting: bool = False
) -> Entry:
    records = [recorded(event) for event in events]
    return await line.journal.write(
        organization, pipeline.id, records, pipeline.version, line.clock(), waiting=waiting
    )
