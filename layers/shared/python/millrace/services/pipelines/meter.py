"""Counts of a function's work on a pipeline: added to its minute buckets, and written as a line for
CloudWatch.

Both come after the work and are statistics: where they fail, the work is done nevertheless.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from millrace.domain.clock import Clock
from millrace.settings import Settings
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipeline_metrics import PipelineMetrics
from millrace.telemetry.metrics import PipelineLines

log = logging.getLogger(__name__)

Totals = defaultdict[str, Counter[str]]
"""By organization, what its pipelines did."""


def new_totals() -> Totals:
    """Return totals of nothing yet."""
    return defaultdict(Counter)


class Meter:
    """One per process; never raises."""

    def __init__(self, metrics: PipelineMetrics, lines: PipelineLines, clock: Clock) -> None:
        self._metrics = metrics
        self._lines = lines
        self._clock = clock

    @classmethod
    def connect(cls, settings: Settings, dynamo: Dynamo, table: str, clock: Clock) -> "Meter":
        """`table` is the registry's."""
        lines = PipelineLines(settings.stack, bool(settings.pipeline_metrics))
        return cls(PipelineMetrics(dynamo, table), lines, clock)

    def dead_letter_queues(self, messages: Mapping[str, int]) -> None:
        """Messages that wait in dead-letter queues, by the queue's name."""
        self._lines.dead_letter_queues(messages)

    async def add(
        self,
        organization: str,
        pipeline_id: str,
        counters: Mapping[str, int],
        latencies: Sequence[int] = (),
        totals: Totals | None = None,
    ) -> None:
        """Once per batch and pipeline. `latencies` in ms. With `totals`, the organization's part is added to
        them, for `add_totals`."""
        now = self._clock()
        self._lines.did(organization, pipeline_id, counters, latencies)
        if totals is not None:
            totals[organization].update(counters)
        try:
            await self._metrics.add(organization, pipeline_id, counters, now)
            if totals is None:
                await self._metrics.add_total(organization, counters, now)
        except Exception:
            log.exception("what pipeline %s did was not counted", pipeline_id)

    async def add_totals(self, totals: Totals) -> None:
        """Once per batch: what all pipelines of each organization did."""
        now = self._clock()
        writes = [self._metrics.add_total(organization, total, now) for organization, total in totals.items()]
        for organization, result in zip(
            totals, await asyncio.gather(*writes, return_exceptions=True), strict=True
        ):
            if isinstance(result, Exception):
                log.error("what %s did was not counted", organization, exc_info=result)

    async def received(
        self, queue: str, messages: int, lag_ms: int, of_each: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """Once per batch: messages of the queue of that name; `lag_ms` is the sum of how late they came,
        `of_each` tells how many there were of each organization's pipelines."""
        try:
            await self._metrics.add_received(queue, messages, lag_ms, self._clock(), of_each or {})
        except Exception:
            log.exception("messages received from %s were not counted", queue)

    async def accepted(self, organization: str, pipeline_id: str, messages: int) -> None:
        """Messages of a pipeline that were put on the ingest queue."""
        try:
            await self._metrics.add_accepted(organization, pipeline_id, messages, self._clock())
        except Exception:
            log.exception("what pipeline %s accepted was not counted", pipeline_id)

    def unclaimed(self, organization: str, pipeline_id: str, events: int) -> None:
        """Events that were sent to a pipeline which is not there or takes none. Only for CloudWatch: minute
        buckets are of pipelines that there are."""
        self._lines.did(organization, pipeline_id, {"eventsUnclaimed": events}, ())

    async def report_backpressure(self, organization: str, pipeline_id: str, backpressure: float) -> None:
        """A pipeline's backpressure, from 0 to 1."""
        self._lines.report_backpressure(organization, pipeline_id, backpressure)
        try:
            await self._metrics.note_level(organization, pipeline_id, backpressure, self._clock())
        except Exception:
            log.exception("the backpressure of pipeline %s was not noted", pipeline_id)
