"""How pipelines do: metrics, health, backpressure. Read from the minute buckets and the ingest queue."""

import asyncio
import time
from collections import Counter
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.pipelines import Pipeline
from millrace.services.pipelines.line import Line
from millrace.services.pipelines.run import LATENCIES_MS
from millrace.stores.pipeline_metrics import MINUTE_MS, TOTAL, Counters

TARGET_LAG_MS = 30_000
DRAINED_PER_SECOND = 100
"""Messages that the transform function takes at least, by its own concurrency."""
CACHE_SECONDS = 5.0
DAY_MS = 86_400_000
_CACHE_SIZE = 2_000
_DEGRADED_PRESSURE = 0.8
_STEP_COUNTS = ("received", "passed", "dropped", "failed", "held", "late")


class Metering:
    """`pressure` is what ingest asks, a few seconds old."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[tuple[str, str], tuple[float, float]] = {}

    async def metrics(self, caller: Principal, pipeline_id: str) -> dict[str, Any]:
        """Totals of the last 24 hours; throughput, latency and lag of the last two minutes. Times in ms."""
        caller.require("pipelines:read")
        pipeline = await self._line.pipelines.get(caller.organization, pipeline_id)
        day, recent, seconds = await self._read(caller.organization, pipeline_id)
        steps = pipeline.definition.get("transforms", [])
        return {
            "pipelineId": pipeline_id,
            **_totals(day),
            "throughput": round(recent["itemsProcessed"] / seconds, 3),
            "latency": _latency(day),
            "lag": _lag(recent),
            "backpressure": await self.pressure(caller.organization, pipeline_id),
            "steps": [
                {"step": at, "type": step["type"]} | {name: day[f"step{at}{name}"] for name in _STEP_COUNTS}
                for at, step in enumerate(steps)
            ],
        }

    async def stats(self, caller: Principal) -> dict[str, Any]:
        """All pipelines of the organisation together."""
        caller.require("pipelines:read")
        pipelines = await self._line.pipelines.all(caller.organization)
        day, recent, seconds = await self._read(caller.organization, TOTAL)
        states = Counter(one.state for one in pipelines)
        return {
            "pipelines": {"total": len(pipelines), **states},
            **_totals(day),
            "throughput": round(recent["itemsProcessed"] / seconds, 3),
            "latency": _latency(day),
        }

    async def health(self, caller: Principal, pipeline_id: str) -> dict[str, Any]:
        """`healthy`, `degraded` or `unhealthy`, with reasons in words and since when."""
        caller.require("pipelines:read")
        pipeline = await self._line.pipelines.get(caller.organization, pipeline_id)
        now = self._line.clock()
        minutes = await self._line.metrics.minutes(caller.organization, pipeline_id, now - 5 * MINUTE_MS)
        pressure = await self.pressure(caller.organization, pipeline_id)
        recent = _sum(counters for _, counters in minutes)
        status, reasons = _judged(pipeline, recent, pressure)
        bad = [minute for minute, counters in minutes if counters.get("itemsFailed")]
        since = iso(bad[0]) if status != "healthy" and bad else pipeline.state_since
        return {
            "pipelineId": pipeline_id,
            "status": status,
            "state": pipeline.state,
            "reasons": reasons,
            "since": since,
            "checkedAt": iso(now),
        }

    async def pressure(self, organization: str, pipeline_id: str) -> float:
        """From 0 to 1: how near the pipeline is to falling behind for good."""
        cached = self._known.get((organization, pipeline_id))
        if cached and time.monotonic() - cached[0] < CACHE_SECONDS:
            return cached[1]
        now = self._line.clock()
        minutes, depth = await asyncio.gather(
            self._line.metrics.minutes(organization, pipeline_id, now - MINUTE_MS),
            asyncio.to_thread(self._line.ingest.waiting),
        )
        pressure = backpressure(_lag(_sum(counters for _, counters in minutes)), depth)
        if len(self._known) >= _CACHE_SIZE:
            self._known.clear()
        self._known[organization, pipeline_id] = (time.monotonic(), pressure)
        return pressure

    async def _read(self, organization: str, pipeline_id: str) -> tuple[Counter[str], Counter[str], float]:
        """Counters of the day, of the last minutes, and how many seconds those are."""
        now = self._line.clock()
        minutes = await self._line.metrics.minutes(organization, pipeline_id, now - DAY_MS)
        start = now // MINUTE_MS * MINUTE_MS - MINUTE_MS
        day = _sum(counters for _, counters in minutes)
        recent = _sum(counters for minute, counters in minutes if minute >= start)
        return day, recent, (now - start) / 1000


def backpressure(lag: float, depth: int) -> float:
    """max(lag / target, depth / what is drained within the target), from 0 to 1. `lag` in ms."""
    drained = DRAINED_PER_SECOND * TARGET_LAG_MS / 1000
    return round(min(max(lag / TARGET_LAG_MS, depth / drained, 0.0), 1.0), 3)


def _sum(all_counters: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for counters in all_counters:
        total.update(counters)
    return total


def _totals(day: Counters) -> dict[str, int]:
    names = ("itemsProcessed", "itemsFailed", "itemsFiltered", "itemsOut", "lateEvents", "deadLetters")
    return {name: day[name] for name in names}


def _lag(counters: Counter[str]) -> float:
    return round(counters["lagSum"] / counters["lagCount"], 1) if counters["lagCount"] else 0.0


def _latency(counters: Counter[str]) -> dict[str, float | None]:
    """avg is exact; percentiles are the upper bounds of their buckets."""
    count = counters["latencyCount"]
    average = round(counters["latencySum"] / count, 1) if count else None
    return {"avg": average} | {
        f"p{rank}": _percentile(counters, rank, count) if count else None for rank in (50, 95, 99)
    }


def _percentile(counters: Counter[str], rank: int, count: int) -> float:
    seen = 0
    for bucket, bound in enumerate(LATENCIES_MS):
        seen += counters[f"latency{bucket}"]
        if seen * 100 >= rank * count:
            return float(bound)
    return float(LATENCIES_MS[-1])


def _judged(pipeline: Pipeline, recent: Counter[str], pressure: float) -> tuple[str, list[str]]:
    reasons = []
    failed, taken = recent["itemsFailed"], recent["itemsProcessed"] + recent["itemsFailed"]
    share = failed / taken if taken else 0.0
    if failed:
        reasons.append(f"{failed} of {taken} items failed in the last five minutes.")
    if recent["lateEvents"]:
        reasons.append(f"{recent['lateEvents']} events came after their window was closed.")
    if pressure >= _DEGRADED_PRESSURE:
        reasons.append(f"It falls behind: backpressure is {pressure}.")
    if pipeline.state == "paused":
        reasons.append("It is paused; events wait until it is resumed.")
    if share >= 0.5 or pressure >= 1:
        return "unhealthy", reasons
    return ("degraded" if reasons else "healthy"), reasons
