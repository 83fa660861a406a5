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
from millrace.services.pipelines.line import Line, Made
from millrace.services.pipelines.messages import event_of, order
from millrace.services.pipelines.run import take

log = logging.getLogger(__name__)

PAGE = 100
CHUNK = 500
AGAIN_MS = 20_000
ROUNDS = 30
Address = tuple[str, str]


async def take_entry(line: Line, address: Address, entry: dict[str, Any], ends: float = math.inf) -> None:
    """Processes one entry: `{key, position, waiting?, version?}`. Windows see a backfill: nothing is late.

    What is not done at `ends` is ordered again, `after` so many events, one by one."""
    organization, pipeline_id = address
    try:
        pipeline = await line.plans.running(organization, pipeline_id)
        made = await line.plans.version(organization, pipeline_id, entry.get("version") or pipeline.version)
    except NotFound as problem:
        log.warning("an entry is for no pipeline: %s", problem.message)
        return
    if entry.get("waiting") and pipeline.state == "paused":
        return  # paused again: it still waits, and the next resume finds it
    records = await line.journal.read(organization, pipeline_id, entry["position"], entry["key"])
    events = [event_of(one, pipeline_id) for one in records]
    left = await _take_until(
        line, made, events[entry.get("after", 0) :], 1 if "after" in entry else CHUNK, ends
    )
    if left:
        rest = order(*address, entry=entry | {"after": len(events) - left})
        await asyncio.to_thread(line.ingest.send, [rest], 0, organization)
        return
    if entry.get("waiting"):
        await line.journal.settle(organization, pipeline_id, entry["position"])


async def _take_until(line: Line, made: Made, events: list[Event], size: int, ends: float) -> int:
    """How many events are left at `ends`."""
    for start in range(0, len(events), size):
        chunk, rest = events[start : start + size], len(events[start + size :])
        try:
            await take(line, made, chunk, backfill=True, ends=ends)
        except Unfinished as over:
            return len(over.events) + rest
        if rest and time.monotonic() > ends:
            return rest
    return 0


async def replay(line: Line, address: Address, asked: dict[str, Any]) -> None:
    """`{since, until, version?, after?}`: all entries written in that time (epoch ms)."""
    entries = await line.journal.entries(
        *address, asked["since"], asked["until"], asked.get("after", ""), PAGE
    )
    more = {"version": asked["version"]} if asked.get("version") else {}
    orders = [order(*address, entry={"key": one.key, "position": one.position} | more) for one in entries]
    if len(entries) == PAGE:
        orders.append(order(*address, replay=asked | {"after": entries[-1].position}))
    line.ingest.send(orders, organization=address[0])


async def drain(line: Line, address: Address, asked: dict[str, Any]) -> None:
    """`{after, round}`: what waited while the pipeline was paused. Looks again until nothing is left; then
    windows may fire again."""
    pipeline = await line.pipelines.get(*address)
    round = int(asked.get("round", 0))
    if pipeline.state != "paused":
        entries = await line.journal.waiting(*address, asked.get("after", ""), PAGE)
        found = [
            order(*address, entry={"key": one.key, "position": one.position, "waiting": True})
            for one in entries
        ]
        line.ingest.send(found, organization=address[0])
        if len(entries) == PAGE:
            again = order(*address, drain={"after": entries[-1].position, "round": round})
            line.ingest.send([again], organization=address[0])
            return
        if not entries and not asked.get("after"):
            await _release(line, address)
            return
    if round < ROUNDS:
        again = order(*address, drain={"after": "", "round": round + 1})
        line.ingest.send([again], AGAIN_MS, address[0])


async def _release(line: Line, address: Address) -> None:
    """Nothing waits any more. Should somebody else change the pipeline now, the order comes again."""
    pipeline = await line.pipelines.get(*address)
    if pipeline.hold_until:
        done = pipeline.model_copy(update={"hold_until": 0, "revision": pipeline.revision + 1})
        await line.pipelines.replace(address[0], pipeline, done)
