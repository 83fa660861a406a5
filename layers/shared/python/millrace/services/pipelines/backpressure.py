"""Backpressure of pipelines: measured, checked when events are pushed, reported every minute."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

import orjson
from msgspec import Struct

from millrace.domain.backpressure import (
    TARGET_LAG_MS,
    Drain,
    backpressure_of,
    drain_of,
    queue_backpressure,
    share_of,
)
from millrace.domain.clock import iso
from millrace.services.pipelines.context import PipelineContext
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.pipeline_metrics import MINUTE_MS, Active, Counters
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

CACHE_MS = 5_000
WAITING_MS = 15 * MINUTE_MS
"""The maximum age of events that wait."""
REPORTED_FROM = 0.1
"""Lower values are not reported."""
SOURCE = "millrace.pipeline"
KIND = "pipeline:backpressure"
AT_ONCE = 16
_CACHE_SIZE = 2_000


class QueueState(Struct, frozen=True):
    """A queue that pipelines share: waiting messages, the rate at which they are received, and its
    pipelines."""

    depth: int
    drain: Drain
    pipelines: int

    def backpressure(self, own: int) -> float:
        """Return the backpressure of a pipeline with `own` messages there."""
        return self.share(own) * min(queue_backpressure(self.depth, self.drain), 1.0)

    def share(self, own: int) -> float:
        return share_of(own, self.depth, self.pipelines)


class Backpressure:
    """Measures backpressure from 0 to 1, at most five seconds old."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context
        self._known: dict[tuple[str, str], tuple[int, float]] = {}
        self._queues: tuple[int, list[QueueState]] | None = None

    async def of(self, organization: str, pipeline_id: str) -> float:
        """Return the backpressure of a pipeline. Raises `Unavailable`."""
        now = self._context.clock()
        cached = self._known.get((organization, pipeline_id))
        if cached and now - cached[0] < CACHE_MS:
            return cached[1]
        minutes, queues = await asyncio.gather(
            self._context.metrics.minutes(organization, pipeline_id, now - WAITING_MS), self._of_queues(now)
        )
        backpressure = _backpressure(minutes, queues, now)
        if len(self._known) >= _CACHE_SIZE:
            # Entries live for five seconds, so an eviction order is not worth its bookkeeping.
            self._known.clear()
        self._known[organization, pipeline_id] = (now, backpressure)
        return backpressure

    async def _of_queues(self, now: int) -> list[QueueState]:
        """Return the state of the ingest queue and the delivery queue."""
        if self._queues and now - self._queues[0] < CACHE_MS:
            return self._queues[1]
        shared = (self._context.ingest, self._context.deliveries)
        found = await asyncio.gather(*(self._of_queue(queue, now) for queue in shared))
        self._queues = (now, found)
        return found

    async def _of_queue(self, queue: Queue, now: int) -> QueueState:
        """Return the state of a queue.

        Deliveries that wait for a retry or a slot are delayed and not counted.
        """
        received, depth = await asyncio.gather(
            self._context.metrics.received(queue.name, now), asyncio.to_thread(queue.waiting)
        )
        pipelines = frozenset[str]().union(*(one.pipelines for one in received))
        return QueueState(depth, drain_of((one[:3] for one in received), now), len(pipelines))


def _backpressure(minutes: list[tuple[int, Counters]], queues: list[QueueState], now: int) -> float:
    """Return the backpressure from a pipeline's last minutes and the queues of ingest and deliveries."""
    since = (now - MINUTE_MS) // MINUTE_MS * MINUTE_MS
    recent = total(counters for minute, counters in minutes if minute >= since)
    whole = total(counters for _, counters in minutes)
    ingest, deliveries = queues
    messages = whole["messagesAccepted"] - whole["messagesReceived"]
    jobs = whole["jobsSent"] - whole["jobsReceived"]
    late = min(_mean(recent, "lag"), TARGET_LAG_MS) * ingest.share(messages)
    lag = max(late, _mean(recent, "behind"))
    waiting = max(ingest.backpressure(messages), deliveries.backpressure(jobs))
    return backpressure_of(lag, waiting, recent["deliveriesThrottled"], recent["deliveryAttempts"])


def total(counters: Iterable[Counters]) -> Counter[str]:
    """Return the sums of all these counters."""
    summed: Counter[str] = Counter()
    for each in counters:
        summed.update(each)
    return summed


def lag_of(counters: Counters) -> float:
    """Return the average lag of events in ms: at the transforms, or at a destination's rate limit."""
    return max(_mean(counters, "lag"), _mean(counters, "behind"))


def _mean(counters: Counters, name: str) -> float:
    count = counters.get(f"{name}Count", 0)
    return round(counters[f"{name}Sum"] / count, 1) if count else 0.0


async def report_backpressure(context: PipelineContext, backpressure: Backpressure, bus: EventBus) -> int:
    """Put an event on the bus for each pipeline under backpressure, and one when it has ended. Return their
    number.

    Runs every minute. The final event lets alerts resolve. A pipeline that fails does not stop the others.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def check(active: Active) -> bool:
        async with slots:
            try:
                return await _report(context, backpressure, bus, active)
            except Exception:
                log.exception("the backpressure of pipeline %s was not reported", active.pipeline_id)
                return False

    active = await context.metrics.active(context.clock())
    return sum(await asyncio.gather(*map(check, active)))


async def _report(
    context: PipelineContext, backpressure: Backpressure, bus: EventBus, active: Active
) -> bool:
    level = await backpressure.of(active.organization, active.pipeline_id)
    await context.meter.report_backpressure(active.organization, active.pipeline_id, level)
    is_high = level >= REPORTED_FROM
    if not is_high and not active.reported:
        return False
    await bus.put([_event(active, level, context.clock())])  # first, so that an unrecorded report is repeated
    await context.metrics.report(active, level if is_high else 0)
    return True


def _event(active: Active, level: float, now: int) -> BusEvent:
    """Return the event. The minute is its number, so that a minute counts once, whoever reports it."""
    detail = {
        "id": f"{active.pipeline_id}:{now // MINUTE_MS}",
        "type": KIND,
        "time": iso(now),
        "organization": active.organization,
        "pipelineId": active.pipeline_id,
        "backpressure": level,
    }
    return BusEvent(SOURCE, KIND, orjson.dumps(detail).decode())
