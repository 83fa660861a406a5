"""Events from the journal through a pipeline: what waited while it was paused, and replays of the past.

Both are orders on the ingest queue. An order lists a page of entries, sends one message for each, and then
itself again for the next page, so that no invocation has more to do than it can.
"""

import asyncio
import logging
import math
import time
from typing import Any

from millrace.errors import NotFound
from millrace.pipelines.event import Event
from millrace.pipelines.work import Unfinished
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.plans import CompiledPipeline
from millrace.services.pipelines.processing.engine import process
from millrace.services.pipelines.queue_messages import command, event_from_record

log = logging.getLogger(__name__)

PAGE = 100
CHUNK = 500
AGAIN_MS = 20_000
ROUNDS = 30
Address = tuple[str, str]


async def process_entry(
    context: PipelineContext, address: Address, entry: dict[str, Any], ends: float = math.inf
) -> None:
    """Processes one entry: `{key, position, waiting?, version?}`. Windows see a backfill: nothing is late.

    What is not done at `ends` is ordered again, `after` so many events, one by one."""
    organization, pipeline_id = address
    try:
        pipeline = await context.plans.running(organization, pipeline_id)
        compiled = await context.plans.version(
            organization, pipeline_id, entry.get("version") or pipeline.version
        )
    except NotFound as error:
        log.warning("an entry is for no pipeline: %s", error.message)
        return
    if entry.get("waiting") and pipeline.state == "paused":
        return  # paused again: it still waits, and the next resume finds it
    records = await context.journal.read(organization, pipeline_id, entry["position"], entry["key"])
    events = [event_from_record(one, pipeline_id) for one in records]
    left = await _process_until(
        context, compiled, events[entry.get("after", 0) :], 1 if "after" in entry else CHUNK, ends
    )
    if left:
        rest = command(*address, entry=entry | {"after": len(events) - left})
        await asyncio.to_thread(context.ingest.send, [rest], 0, organization)
        return
    if entry.get("waiting"):
        await context.journal.settle(organization, pipeline_id, entry["position"])


async def _process_until(
    context: PipelineContext, compiled: CompiledPipeline, events: list[Event], size: int, ends: float
) -> int:
    """How many events are left at `ends`."""
    for start in range(0, len(events), size):
        chunk, rest = events[start : start + size], len(events[start + size :])
        try:
            await process(context, compiled, chunk, backfill=True, ends=ends)
        except Unfinished as error:
            return len(error.events) + rest
        if rest and time.monotonic() > ends:
            return rest
    return 0


async def replay(context: PipelineContext, address: Address, request: dict[str, Any]) -> None:
    """`{since, until, version?, after?}`: all entries written in that time (epoch ms)."""
    entries = await context.journal.entries(
        *address, request["since"], request["until"], request.get("after", ""), PAGE
    )
    more = {"version": request["version"]} if request.get("version") else {}
    commands = [command(*address, entry={"key": one.key, "position": one.position} | more) for one in entries]
    if len(entries) == PAGE:
        commands.append(command(*address, replay=request | {"after": entries[-1].position}))
    context.ingest.send(commands, organization=address[0])


async def drain(context: PipelineContext, address: Address, request: dict[str, Any]) -> None:
    """`{after, round}`: what waited while the pipeline was paused. Looks again until nothing is left; then
    windows may fire again."""
    pipeline = await context.pipelines.get(*address)
    round = int(request.get("round", 0))
    if pipeline.state != "paused":
        entries = await context.journal.waiting(*address, request.get("after", ""), PAGE)
        found = [
            command(*address, entry={"key": one.key, "position": one.position, "waiting": True})
            for one in entries
        ]
        context.ingest.send(found, organization=address[0])
        if len(entries) == PAGE:
            again = command(*address, drain={"after": entries[-1].position, "round": round})
            context.ingest.send([again], organization=address[0])
            return
        if not entries and not request.get("after"):
            await _release(context, address)
            return
    if round < ROUNDS:
        again = command(*address, drain={"after": "", "round": round + 1})
        context.ingest.send([again], AGAIN_MS, address[0])


async def _release(context: PipelineContext, address: Address) -> None:
    """Nothing waits any more. Should somebody else change the pipeline now, the order comes again."""
    pipeline = await context.pipelines.get(*address)
    if pipeline.hold_until:
        done = pipeline.model_copy(update={"hold_until": 0, "revision": pipeline.revision + 1})
        await context.pipelines.replace(address[0], pipeline, done)
