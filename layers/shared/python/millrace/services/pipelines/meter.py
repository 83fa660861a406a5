"""Counters of a function's work on a pipeline: added to minute buckets, and logged for CloudWatch.

Both happen after the work and are only statistics, so the work succeeds even if they fail.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from millrace.domain.clock import Clock
from millrace.domain.pipelines import Address
from millrace.settings import Settings
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipeline_metrics import PipelineMetrics
from millrace.telemetry.metrics import PipelineLines

log = logging.getLogger(__name__)

Counts = defaultdict[Address, Counter[str]]
"""The counters of each pipeline in a batch."""


def new_counts() -> Counts:
    """Return empty counts."""
    return defaultdict(Counter)


class Meter:
    """Counts work, once in each process. Never raises."""

    def __init__(self, metrics: PipelineMetrics, lines: PipelineLines, clock: Clock) -> None:
        self._metrics = metrics
        self._lines = lines
        self._clock = clock

    @classmethod
    def connect(cls, settings: Settings, dynamo: Dynamo, table: str, clock: Clock) -> "Meter":
        """Create a meter; `table` is the registry's."""
        lines = PipelineLines(settings.stack, bool(settings.pipeline_metrics))
        return cls(PipelineMetrics(dynamo, table), lines, clock)

    def dead_letter_queues(self, messages: Mapping[str, int]) -> None:
        """Report the numbers of messages in dead-letter queues, by the queue's name."""
        self._lines.dead_letter_queues(messages)

    def count(
        self, address: Address, counters: Mapping[str, int], counts: Counts, latencies: Sequence[int] = ()
    ) -> None:
        """Log a batch's work for a pipeline, and add its counters to `counts`. `latencies` are in ms."""
        self._lines.did(*address, counters, latencies)
        counts[address].update(counters)

    async def add(self, counts: Counts) -> None:
        """Store a batch's counts, for all of its pipelines and their organizations."""
        try:
            failed = await self._metrics.add(counts, self._clock())
        except Exception:
            log.exception("the work of %d pipelines was not counted", len(counts))
            return
        for (_, pipeline_id), error in failed:
            log.error("the work of pipeline %s was not counted", pipeline_id, exc_info=error)

    async def received(
        self, queue: str, messages: int, lag_ms: int, of_each: Mapping[Address, int] | None = None
    ) -> None:
        """Count a batch's messages from a queue.

        `lag_ms` is the sum of their delays, and `of_each` the number for each organization's pipelines.
        """
        try:
            await self._metrics.add_received(queue, messages, lag_ms, self._clock(), of_each or {})
        except Exception:
            log.exception("messages received from %s were not counted", queue)

    async def accepted(self, organization: str, pipeline_id: str, messages: int) -> None:
        """Count messages of a pipeline that were put on the ingest queue."""
        try:
            await self._metrics.add_accepted(organization, pipeline_id, messages, self._clock())
        except Exception:
            log.exception("the accepted messages of pipeline %s were not counted", pipeline_id)

    def unclaimed(self, organization: str, pipeline_id: str, events: int) -> None:
        """Report events for a pipeline that does not exist or does not accept any.

        They are only in CloudWatch, as minute buckets belong to existing pipelines.
        """
        self._lines.did(organization, pipeline_id, {"eventsUnclaimed": events}, ())

    async def report_backpressure(self, organization: str, pipeline_id: str, backpressure: float) -> None:
        """Report a pipeline's backpressure, from 0 to 1."""
        self._lines.report_backpressure(organization, pipeline_id, backpressure)
        try:
            await self._metrics.note_level(organization, pipeline_id, backpressure, self._clock())
        except Exception:
            log.exception("the backpressure of pipeline %s was not recorded", pipeline_id)
