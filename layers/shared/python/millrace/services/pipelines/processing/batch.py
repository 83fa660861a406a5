"""A batch of the ingest queue: events find their pipelines, are journaled, and go through the engine.

A batch is processed by pipeline, not by message, with one journal object and one block of a window for all of
a pipeline's events. If one message makes this fail, each is tried alone. Failures are reported item by item,
so that the queue repeats only those.

Pipelines of a batch run concurrently, each with a share of the time. Events beyond a pipeline's share return
to the queue and are received alone, in small portions; at least one of them is finished each time. Messages
that are received again, because a function died or failed, are processed last and one by one, after
everything done before was acknowledged, so that they cannot make others fail again.
"""

import asyncio
import logging
import time
from collections import defaultdict
from itertools import starmap
from typing import Any

from millrace.domain.pipelines import Address
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.sorting import (
    EventGroup,
    Message,
    Task,
    Work,
    organization_of,
    read_message,
    sort_message,
)
from millrace.services.pipelines.processing.taking import Taking
from millrace.telemetry import logs

log = logging.getLogger(__name__)

AT_ONCE = 4
SHARE_SECONDS = 5.0
"""The time of a pipeline in a batch, a small part of the function's timeout."""
BATCH_SECONDS = 30.0
"""After this time, no repeated message is begun."""


async def transform_batch(context: PipelineContext, batch: dict[str, Any]) -> dict[str, Any]:
    """Process an SQS event, and return `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    failed: set[str] = set()
    ends = time.monotonic() + BATCH_SECONDS
    messages = _read_all(context, batch, failed)
    records = {record["messageId"]: record for record in batch["Records"]}
    first = [message for message in messages if message.receives == 1]
    await _process_together(context, first, failed)
    # The most suspicious message is last: if it kills the function, all others have been acknowledged.
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
    # A message may be for several pipelines, and needs its object again if it failed for one of them.
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
    """Do all work of these messages concurrently, and add the ids of those that failed to `failed`."""
    work: Work = defaultdict(list)
    tasks: dict[Address, list[tuple[str, Task]]] = defaultdict(list)
    await _load_pipelines(context, messages)
    for message in messages:
        try:
            if found := await sort_message(context, message, work):
                address, task = found
                tasks[address].append((message.id, task))
        except Exception:
            log.exception("message %s cannot be sorted", message.id)
            failed.add(message.id)
    slots = asyncio.Semaphore(AT_ONCE)
    taking = Taking(context)
    await taking.journal(work)

    async def process_groups(address: Address, groups: list[EventGroup]) -> None:
        organization, pipeline_id = address
        async with slots:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            failed.update(await taking.process(address, groups, ends))

    async def carry_out(address: Address, found: list[tuple[str, Task]]) -> None:
        organization, pipeline_id = address
        async with slots:
            logs.bind(organization=organization, pipeline_id=pipeline_id)
            ends = time.monotonic() + SHARE_SECONDS
            for message_id, task in found:  # in sequence, because one may check the result of another
                try:
                    await task(ends)
                except Exception:
                    log.exception("the command of message %s failed", message_id)
                    failed.add(message_id)

    await asyncio.gather(*starmap(process_groups, work.items()), *starmap(carry_out, tasks.items()))
    await taking.count()
    await _count(context, [one for one in messages if one.id not in failed], work)


async def _load_pipelines(context: PipelineContext, messages: list[Message]) -> None:
    """Load the pipelines of the messages, with one call for all organizations.

    If that fails, each message loads its own.
    """
    since: dict[str, int] = {}
    for message in messages:
        organization = organization_of(message.content)
        if organization:
            since[organization] = max(since.get(organization, 0), message.sent)
    try:
        await context.plans.of_each(since)
    except Exception:
        log.exception("the pipelines of %d organizations were not loaded together", len(since))


async def _count(context: PipelineContext, done: list[Message], work: Work) -> None:
    """Report how the queue is drained, and for how many pipelines."""
    now = context.clock()
    lag = sum(now - one.sent for one in done if one.is_new)
    if done:
        of_each = {address: len(groups) for address, groups in work.items()}
        await context.meter.received(context.ingest.name, len(done), lag, of_each)
