"""Processing of events from the journal: those that waited while the pipeline was paused, and replays.

Both are commands on the ingest queue. A command lists a page of entries, sends a message for each, and then
itself for the next page, so that no invocation has more to do than it can.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence

from msgspec import structs

from millrace.domain.pipelines import Pipeline
from millrace.errors import NotFound
from millrace.pipelines.event import Event
from millrace.pipelines.work import Unfinished
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_from_record
from millrace.services.pipelines.plans import BrokenDefinition, CompiledPipeline
from millrace.services.pipelines.processing.engine import process
from millrace.services.pipelines.processing.unreadable import refuse
from millrace.services.pipelines.queue_messages import Command, Drain, ProcessEntry, Replay, encode

log = logging.getLogger(__name__)

PAGE = 100
CHUNK = 500
AGAIN_MS = 20_000
ROUNDS = 30


async def process_entry(context: PipelineContext, entry: ProcessEntry, ends: float = math.inf) -> None:
    """Process an entry of the journal. Windows treat it as a backfill, in which nothing is late.

    Events that are not finished at `ends` are enqueued again, to be processed one by one.
    """
    organization, pipeline_id = entry.address
    try:
        pipeline = await context.plans.running(organization, pipeline_id)
        compiled = await _compiled(context, entry, pipeline)
    except NotFound as error:
        log.warning("an entry has no pipeline: %s", error.message)
        return
    if entry.waiting and pipeline.state == "paused":
        return  # paused again: the entry still waits, and the next resume finds it
    records = await context.journal.read(organization, pipeline_id, entry.position, entry.key)
    events = [event_from_record(one, pipeline_id) for one in records]
    if isinstance(compiled, BrokenDefinition):
        log.error("%s", compiled.message)
        await refuse(context, organization, pipeline, events[entry.after or 0 :], compiled)
        left = 0
    else:
        # A chunk that used up all the time would do so again, but a single event is always finished.
        size = CHUNK if entry.after is None else 1
        left = await _process_until(context, compiled, events[entry.after or 0 :], size, ends)
    if left:
        await _enqueue(context, [structs.replace(entry, after=len(events) - left)])
    elif entry.waiting:
        # Settled last: after a crash before this, a drain finds the entry again, with the same ids.
        await context.journal.settle(organization, pipeline_id, entry.position)


async def _compiled(
    context: PipelineContext, entry: ProcessEntry, pipeline: Pipeline
) -> CompiledPipeline | BrokenDefinition:
    """Return the version that processes an entry, or the reason why it cannot. Raises `NotFound`."""
    try:
        return await context.plans.version(entry.organization, pipeline.id, entry.version or pipeline.version)
    except BrokenDefinition as error:
        return error


async def _process_until(
    context: PipelineContext, compiled: CompiledPipeline, events: list[Event], size: int, ends: float
) -> int:
    """Return the number of events that are left at `ends`."""
    for start in range(0, len(events), size):
        chunk, rest = events[start : start + size], len(events[start + size :])
        try:
            await process(context, compiled, chunk, backfill=True, ends=ends)
        except Unfinished as error:
            return len(error.events) + rest
        if rest and time.monotonic() > ends:
            return rest
    return 0


async def replay(context: PipelineContext, command: Replay) -> None:
    """Enqueue a page of the entries written in a time, and the command for the next page."""
    organization, pipeline_id = command.address
    entries = await context.journal.entries(
        organization, pipeline_id, command.since, command.until, command.after, PAGE
    )
    found: list[Command] = [
        ProcessEntry(organization, pipeline_id, one.position, one.key, version=command.version)
        for one in entries
    ]
    if len(entries) == PAGE:
        found.append(structs.replace(command, after=entries[-1].position))
    await _enqueue(context, found)


async def drain(context: PipelineContext, command: Drain) -> None:
    """Enqueue a page of the entries that waited while the pipeline was paused.

    The command repeats until none is left; then windows may fire again.
    """
    # The command is sent before the change of state is written, so the first round may be too early.
    if (await context.pipelines.get(*command.address)).state != "paused":
        entries = await context.journal.waiting(*command.address, command.after, PAGE)
        found = [ProcessEntry(*command.address, one.position, one.key, waiting=True) for one in entries]
        await _enqueue(context, found)
        if len(entries) == PAGE:
            await _enqueue(context, [structs.replace(command, after=entries[-1].position)])
            return
        # There may be no entries after `after` while those before it are still being processed.
        if not entries and not command.after:
            await _release(context, command)
            return
    if command.round < ROUNDS:
        again = structs.replace(command, after="", round=command.round + 1)
        await _enqueue(context, [again], AGAIN_MS)


async def _enqueue(context: PipelineContext, commands: Sequence[Command], delay_ms: int = 0) -> None:
    """Send the commands of a pipeline."""
    if commands:
        bodies = list(map(encode, commands))
        await asyncio.to_thread(context.ingest.send, bodies, delay_ms, commands[0].organization)


async def _release(context: PipelineContext, command: Drain) -> None:
    """Let windows fire again, because nothing waits any more.

    If the pipeline is changed concurrently, the command is received again.
    """
    pipeline = await context.pipelines.get(*command.address)
    if pipeline.hold_until:
        done = pipeline.model_copy(update={"hold_until": 0, "revision": pipeline.revision + 1})
        await context.pipelines.replace(command.organization, pipeline, done)
