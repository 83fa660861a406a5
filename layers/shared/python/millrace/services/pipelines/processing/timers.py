"""Timers: windows and batches fire when they are due."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, assert_never

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from msgspec import structs

from millrace.domain.pipelines import Pipeline
from millrace.errors import NotFound, Unavailable
from millrace.pipelines.state.batches import Batch
from millrace.pipelines.state.meta import read_meta
from millrace.pipelines.state.store import Key
from millrace.services.batches import QueueBatch
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.plans import BrokenDefinition, CompiledPipeline
from millrace.services.pipelines.processing.engine import on_timer
from millrace.services.pipelines.processing.sweep import SEEN
from millrace.services.pipelines.queue_messages import (
    FireTimer,
    StopPipeline,
    TimerMessage,
    encode,
    timer_message,
)
from millrace.services.pipelines.window_store import WindowStore
from millrace.telemetry import logs

log = logging.getLogger(__name__)

STOPPED_AT_ONCE = 300
AT_ONCE = 4
"""Concurrent timers of a batch, so that a slow one does not delay the others."""
BATCH_SECONDS = 30.0
"""After this time no timer is begun, because the function has a minute."""
_STOP_ROUNDS = 200
_STOP_AGAIN_MS = 5_000


async def close_batch(context: PipelineContext, batch: dict[str, Any]) -> PartialItemFailureResponse:
    """Process an SQS event of timers, and return `{"batchItemFailures": [{"itemIdentifier"}]}`.

    Timers for which there is no time are received again.
    """
    slots = asyncio.Semaphore(AT_ONCE)
    ends = time.monotonic() + BATCH_SECONDS

    async def close(record: SQSRecord) -> None:
        async with slots:
            if time.monotonic() > ends:
                raise Unavailable("The batch has no time left for this timer.")
            await _close(context, timer_message(record.body))

    return await QueueBatch(context.timers).process_all(batch, close)


async def _close(context: PipelineContext, message: TimerMessage) -> None:
    match message:
        case StopPipeline():
            logs.bind(organization=message.organization, pipeline_id=message.pipeline_id)
            await fire_all(context, message)
        case FireTimer():
            await _fire(context, Key.parse(message.key))
        case _:
            assert_never(message)


async def _fire(context: PipelineContext, key: Key) -> None:
    logs.bind(organization=key.organization, pipeline_id=key.pipeline)
    compiled = await _compiled(context, key)
    if compiled is not None:
        await on_timer(context, compiled, key, context.clock())


async def _compiled(context: PipelineContext, key: Key) -> CompiledPipeline | None:
    """Return the compiled pipeline that fires the key, or None if nothing must fire.

    The pipeline was deleted, or it waits or cannot be compiled, and a sweep tries again.
    """
    pipeline = (await context.plans.of(key.organization)).get(key.pipeline)
    if pipeline is None:
        try:
            pipeline = await context.pipelines.get(key.organization, key.pipeline)
        except NotFound:
            return None
    if pipeline.waits(context.clock()):
        return None
    try:
        found = await _version_with(context, pipeline, key)
    except BrokenDefinition as error:
        # Nothing is lost, as the key's state stays. A failed message would only be received again too soon.
        log.error("%s", error.message)
        return None
    if found is None:
        log.error("no version of pipeline %s has the step that holds %s", key.pipeline, key)
    return found


async def _version_with(context: PipelineContext, pipeline: Pipeline, key: Key) -> CompiledPipeline | None:
    """Return the version that has the step of a key: the current one, or else the last that has it.

    Raises `BrokenDefinition`.
    """
    with suppress(BrokenDefinition):  # an earlier version may work
        compiled = context.plans.compiled(key.organization, pipeline)
        if compiled.plan.of_hash(key.step):
            return compiled
    return await context.plans.with_step(key)


async def fire_all(context: PipelineContext, message: StopPipeline) -> None:
    """Fire what a stopped pipeline still holds, before it is due.

    This takes several rounds, as there may be much of it, and firing a session may reveal the next one.
    Closing follows later, by timers.
    """
    found = await asyncio.to_thread(context.windows.due_of, *message.address, SEEN)
    fired = 0
    for due, key in found:
        compiled = await _compiled(context, key)
        if compiled is not None and await asyncio.to_thread(_is_open, context.windows, compiled, key):
            # Firing a window before it is due would only request another timer.
            await on_timer(context, compiled, key, max(due, context.clock()))
            fired += 1
        if fired == STOPPED_AT_ONCE:
            break
    if fired and message.round < _STOP_ROUNDS:
        again = encode(structs.replace(message, round=message.round + 1))
        await asyncio.to_thread(context.timers.send, [again], _STOP_AGAIN_MS, message.organization)


def _is_open(store: WindowStore, compiled: CompiledPipeline, key: Key) -> bool:
    step = compiled.plan.of_hash(key.step)
    if step is None or isinstance(step.state, Batch):
        return step is not None
    meta = read_meta(store, key)
    return meta is not None and meta.state in ("OPEN", "FIRING")
