"""The sweep of every minute for timers: those that exceed a queue's delay, and those that were lost."""

import asyncio
import logging

from millrace.pipelines.state.firing import sweep
from millrace.pipelines.state.store import Key
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.timer_batch import Timers

log = logging.getLogger(__name__)

SEEN = 20_000
"""Timers that a sweep reads. State of deleted pipelines may remain until its TTL."""
SWEPT = 5_000
# SQS delays a message by at most 15 minutes. Timers due later are left for a later sweep.
AHEAD_MS = 900_000


class _Agenda:
    """The state that the sweep considers, without that of paused pipelines, which would fill its page."""

    def __init__(self, found: list[tuple[int, Key]]) -> None:
        self._found = found

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        return [entry for entry in self._found if entry[0] < before][:limit]


async def sweep_all(context: PipelineContext) -> int:
    """Send due timers, and return how many. Runs every minute."""
    now = context.clock()
    found = await asyncio.to_thread(context.windows.due, now + AHEAD_MS, SEEN)
    awake = [entry for entry in found if await _is_awake(context, entry[1], now)]
    timers = Timers(context.timers, now)
    count = sweep(_Agenda(awake), timers, now, SWEPT)
    await asyncio.to_thread(timers.flush)
    return count


async def _is_awake(context: PipelineContext, key: Key, now: int) -> bool:
    """Return whether the pipeline is running.

    False if that cannot be read now; the next sweep tries again.
    """
    try:
        pipeline = (await context.plans.of(key.organization)).get(key.pipeline)
    except Exception:
        log.exception("the pipelines of an organization cannot be read")
        return False
    return pipeline is not None and not pipeline.waits(now)
