"""Backpressure of pipelines: measured, asked by ingest, and told to the command center every minute."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from millrace.domain.backpressure import (
    TARGET_LAG_MS,
    Drain,
    backpressure,
    drain_of,
    queue_pressure,
    share_of,
)
from millrace.domain.clock import iso
from millrace.services.pipelines.line import Line
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.pipeline_metrics import MINUTE_MS, Active, Counters
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

CACHE_MS = 5_000
WAITING_MS = 15 * MINUTE_MS
"""As far back as what waits may have come."""
TOLD_FROM = 0.1
"""Below, nobody has to know."""
SOURCE = "millrace.pipeline"
KIND = "pipeline:backpressure"
AT_ONCE = 16
_CACHE_SIZE = 2_000


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue that pipelines share: messages that wait, how fast they are taken, by how many pipelines."""

    depth: int
    drain: Drain
    pipelines: int

    def pressure(self, own: int) -> float:
        """Of a pipeline that has so many messages there."""
        return self.share(own) * min(queue_pressure(self.depth, self.drain), 1.0)

    def share(self, own: int) -> float:
        return share_of(own, self.depth, self.pipelines)


class Pressure:
    """From 0 to 1, five seconds old at most."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[tuple[str, str], tuple[int, float]] = {}
        self._queues: tuple[int, list[QueueState]] | None = None

    async def of(self, organization: str, pipeline_id: str) -> float:
        """How near the pipeline is to falling behind for good. Raises `Unavailable`."""
        now = self._line.clock()
        cached = self._known.get((organization, pipeline_id))
        if cached and now - cached[0] < CACHE_MS:
            return cached[1]
        minutes, queues = await asyncio.gather(
            self._line.metrics.minutes(organization, pipeline_id, now - WAITING_MS), self._of_queues(now)
        )
        pressure = _pressure(minutes, queues, now)
        if len(self._known) >= _CACHE_SIZE:
            self._known.clear()
        self._known[organization, pipeline_id] = (now, pressure)
        return pressure

    async def _of_queues(self, now: int) -> list[QueueState]:
        """The ingest queue, and that of deliveries."""
        if self._queues and now - self._queues[0] < CACHE_MS:
            return self._queues[1]
        shared = (self._line.ingest, self._line.deliveries)
        found = await asyncio.gather(*(self._of_queue(queue, now) for queue in shared))
        self._queues = (now, found)
        return found

    async def _of_queue(self, queue: Queue, now: int) -> QueueState:
        """Deliveries that wait on purpose, for a retry or their turn, are delayed and not counted."""
        taken, depth = await asyncio.gather(
            self._line.metrics.taken(queue.name, now), asyncio.to_thread(queue.waiting)
        )
        pipelines = frozenset[str]().union(*(one.pipelines for one in taken))
        return QueueState(depth, drain_of((one[:3] for one in taken), now), len(pipelines))


def _pressure(minutes: list[tuple[int, Counters]], queues: list[QueueState], now: int) -> float:
    """From what a pipeline did in the last minutes, and the queues of ingest and deliveries."""
    since = (now - MINUTE_MS) // MINUTE_MS * MINUTE_MS
    recent = total(counters for minute, counters in minutes if minute >= since)
    whole = total(counters for _, counters in minutes)
    ingest, deliveries = queues
    messages = whole["messagesAccepted"] - whole["messagesTaken"]
    jobs = whole["jobsSent"] - whole["jobsTaken"]
    late = min(_mean(recent, "lag"), TARGET_LAG_MS) * ingest.share(messages)
    lag = max(late, _mean(recent, "behind"))
    waiting = max(ingest.pressure(messages), deliveries.pressure(jobs))
    return backpressure(lag, waiting, recent["deliveriesThrottled"], recent["deliveryAttempts"])


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
