"""Timers: windows and batches fire when their time has come, and a sweep finds those whose timer was lost."""

import asyncio
import logging
from typing import Any

import orjson

from millrace.errors import NotFound
from millrace.pipelines.state.batches import Batch
from millrace.pipelines.state.firing import sweep
from millrace.pipelines.state.meta import read_meta
from millrace.pipelines.state.store import Key
from millrace.services.pipelines.line import Line, Made
from millrace.services.pipelines.messages import order
from millrace.services.pipelines.run import ring
from millrace.services.pipelines.state import WindowStore
from millrace.services.pipelines.timers import Timers
from millrace.telemetry import logs

log = logging.getLogger(__name__)

SEEN = 20_000
"""What a sweep looks at; of deleted pipelines something may stand until its TTL."""
SWEPT = 5_000
AHEAD_MS = 900_000
STOPPED_AT_ONCE = 300
AT_ONCE = 4
"""Timers of a batch: one that takes long does not hold up the others."""
_STOP_ROUNDS = 200
_STOP_AGAIN_MS = 5_000


async def close_batch(line: Line, batch: dict[str, Any]) -> dict[str, Any]:
    """Takes an SQS event of the timer queue; returns `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    places = asyncio.Semaphore(AT_ONCE)
    failed: list[str] = []

    async def close(record: dict[str, Any]) -> None:
        async with places:
            try:
                await _close(line, orjson.loads(record["body"]))
            except Exception:
                log.exception("timer %s failed", record["messageId"])
                failed.append(record["messageId"])

    await asyncio.gather(*map(close, batch["Records"]))
    return await asyncio.to_thread(line.timers.answer, batch, failed)


async def _close(line: Line, timer: dict[str, Any]) -> None:
    if timer.get("stop"):
        logs.bind(organization=timer["organization"], pipeline_id=timer["pipelineId"])
        await fire_all(line, timer["organization"], timer["pipelineId"], int(timer["stop"]))
        return
    key = Key.parse(timer["key"])
    logs.bind(organization=key.tenant, pipeline_id=key.pipeline)
    made = await _made(line, key)
    if made is not None:
        await ring(line, made, key, line.clock())


async def _made(line: Line, key: Key) -> Made | None:
    """What fires the key; None where nothing shall: the pipeline is gone, or waits (a sweep calls again)."""
    pipeline = (await line.plans.of(key.tenant)).get(key.pipeline)
    if pipeline is None:
        try:
            pipeline = await line.pipelines.get(key.tenant, key.pipeline)
        except NotFound:
            return None
    if pipeline.waits(line.clock()):
        return None
    made = line.plans.made(key.tenant, pipeline)
    if made.plan.of_hash(key.step):
        return made
    earlier = await line.plans.with_step(key)
    if earlier is None:
        log.error("no version of pipeline %s has the step that holds %s", key.pipeline, key)
    return earlier


async def fire_all(line: Line, organization: str, pipeline_id: str, round: int = 1) -> None:
    """Fires what a stopped pipeline still holds, before its time; in rounds, because there may be much
    of it, and firing a session may show the next one. Closing comes later, by timers."""
    found = await asyncio.to_thread(line.windows.due_of, organization, pipeline_id, SEEN)
    fired = 0
    for due, key in found:
        made = await _made(line, key)
        if made is not None and await asyncio.to_thread(_is_open, line.windows, made, key):
            await ring(line, made, key, max(due, line.clock()))
            fired += 1
        if fired == STOPPED_AT_ONCE:
            break
    if fired and round < _STOP_ROUNDS:
        again = order(organization, pipeline_id, stop=round + 1)
        await asyncio.to_thread(line.timers.send, [again], _STOP_AGAIN_MS, organization)


def _is_open(store: WindowStore, made: Made, key: Key) -> bool:
    step = made.plan.of_hash(key.step)
    if step is None or isinstance(step.state, Batch):
        return step is not None
    meta = read_meta(store, key)
    return meta is not None and meta.state in ("OPEN", "FIRING")


class _Agenda:
    """What the sweep looks at: without that of paused pipelines, which would fill its page."""

    def __init__(self, found: list[tuple[int, Key]]) -> None:
        self._found = found

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        return [entry for entry in self._found if entry[0] < before][:limit]


async def sweep_all(line: Line) -> int:
    """Runs every minute; returns how many timers it sent."""
    now = line.clock()
    found = await asyncio.to_thread(line.windows.due, now + AHEAD_MS, SEEN)
    awake = [entry for entry in found if await _is_awake(line, entry[1], now)]
    timers = Timers(line.timers, now)
    count = sweep(_Agenda(awake), timers, now, SWEPT)
    await asyncio.to_thread(timers.flush)
    return count


async def _is_awake(line: Line, key: Key, now: int) -> bool:
    """Whether the pipeline runs; not for one that cannot be read now, which the next sweep looks at again."""
    try:
        pipeline = (await line.plans.of(key.tenant)).get(key.pipeline)
    except Exception:
        log.exception("the pipelines of an organization cannot be read")
        return False
    return pipeline is not None and not pipeline.waits(now)
