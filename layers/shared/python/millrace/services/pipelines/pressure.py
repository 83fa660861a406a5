"""Backpressure of pipelines: measured, asked by ingest, and told to the command center every minute."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

import orjson

from millrace.domain.backpressure import backpressure, drain_of, queue_pressure
from millrace.domain.clock import iso
from millrace.services.pipelines.line import Line
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.pipeline_metrics import MINUTE_MS, Active, Counters
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

CACHE_MS = 5_000
TOLD_FROM = 0.1
"""Below, nobody has to know."""
SOURCE = "millrace.pipeline"
KIND = "pipeline:backpressure"
AT_ONCE = 16
_CACHE_SIZE = 2_000


class Pressure:
    """From 0 to 1, five seconds old at most."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[tuple[str, str], tuple[int, float]] = {}
        self._queues: tuple[int, float] | None = None

    async def of(self, organization: str, pipeline_id: str) -> float:
        """How near the pipeline is to falling behind for good. Raises `Unavailable`."""
        now = self._line.clock()
        cached = self._known.get((organization, pipeline_id))
        if cached and now - cached[0] < CACHE_MS:
            return cached[1]
        minutes, queues = await asyncio.gather(
            self._line.metrics.minutes(organization, pipeline_id, now - MINUTE_MS), self._of_queues(now)
        )
        recent = total(counters for _, counters in minutes)
        pressure = backpressure(
            lag_of(recent), queues, recent["deliveriesThrottled"], recent["deliveryAttempts"]
        )
        if len(self._known) >= _CACHE_SIZE:
            self._known.clear()
        self._known[organization, pipeline_id] = (now, pressure)
        return pressure

    async def _of_queues(self, now: int) -> float:
        """The highest of the queues that all pipelines share."""
        if self._queues and now - self._queues[0] < CACHE_MS:
            return self._queues[1]
        shared = (self._line.ingest, self._line.deliveries)
        pressure = max(await asyncio.gather(*(self._of_queue(queue, now) for queue in shared)))
        self._queues = (now, pressure)
        return pressure

    async def _of_queue(self, queue: Queue, now: int) -> float:
        """Deliveries that wait on purpose, for a retry or their turn, are delayed and not counted."""
        taken, depth = await asyncio.gather(
            self._line.metrics.taken(queue.name, now), asyncio.to_thread(queue.waiting)
        )
        return queue_pressure(depth, drain_of(taken, now))


def total(counters: Iterable[Counters]) -> Counter[str]:
    """The sums of all these counters."""
    summed: Counter[str] = Counter()
    for each in counters:
        summed.update(each)
    return summed


def lag_of(counters: Counters) -> float:
    """How late events are on average, in ms: at the transforms, or at a destination's rate limit."""
    return max(_mean(counters, "lag"), _mean(counters, "behind"))


def _mean(counters: Counters, name: str) -> float:
    count = counters.get(f"{name}Count", 0)
    return round(counters[f"{name}Sum"] / count, 1) if count else 0.0


async def tell_pressure(line: Line, pressure: Pressure, bus: EventBus) -> int:
    """Runs every minute: puts an event on the bus for each pipeline that is under some pressure, and one when
    that has passed, so that alerts resolve. Returns how many. One that fails does not stop the others."""
    places = asyncio.Semaphore(AT_ONCE)

    async def look(active: Active) -> bool:
        async with places:
            try:
                return await _tell(line, pressure, bus, active)
            except Exception:
                log.exception("the backpressure of pipeline %s was not told", active.pipeline_id)
                return False

    active = await line.metrics.active(line.clock())
    return sum(await asyncio.gather(*map(look, active)))


async def _tell(line: Line, pressure: Pressure, bus: EventBus, active: Active) -> bool:
    level = await pressure.of(active.organization, active.pipeline_id)
    line.meter.pressed(active.organization, active.pipeline_id, level)
    pressed = level >= TOLD_FROM
    if not pressed and not active.told:
        return False
    await bus.put([_event(active, level, line.clock())])  # first: what was told but not kept is told again
    await line.metrics.tell(active, level if pressed else 0)
    return True


def _event(active: Active, level: float, now: int) -> BusEvent:
    """Its number is the minute's, so that a minute counts once, whoever tells of it."""
    detail = {
        "id": f"{active.pipeline_id}:{now // MINUTE_MS}",
        "type": KIND,
        "time": iso(now),
        "organization": active.organization,
        "pipelineId": active.pipeline_id,
        "backpressure": level,
    }
    return BusEvent(SOURCE, KIND, orjson.dumps(detail).decode())
