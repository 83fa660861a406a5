"""Metrics, statistics and health of pipelines, from the minute buckets, the queues and the circuits."""

from collections import Counter
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.latency import summary
from millrace.domain.pipelines import Pipeline
from millrace.pipelines.definitions.steps import WindowConfig
from millrace.services.pipelines.backpressure import Backpressure, lag_of, total
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.operations.destinations import Destinations
from millrace.stores.pipeline_metrics import MINUTE_MS, TOTAL, Counters

DAY_MS = 86_400_000
HEALTH_MS = 5 * MINUTE_MS
_DEGRADED_BACKPRESSURE = 0.8
_STEP_COUNTS = ("received", "passed", "dropped", "failed", "held", "late")
_TOTALS = ("itemsProcessed", "itemsFiltered", "itemsOut", "itemsDelivered", "lateEvents", "deadLetters")
_DELIVERIES = {
    "attempts": "deliveryAttempts",
    "delivered": "itemsDelivered",
    "failed": "deliveriesFailed",
    "retried": "deliveriesRetried",
    "throttled": "deliveriesThrottled",
}


class Metering:
    """Metrics, statistics and health of pipelines."""

    def __init__(self, context: PipelineContext, backpressure: Backpressure) -> None:
        self._context = context
        self._backpressure = backpressure
        self._destinations = Destinations(context)

    async def metrics(self, caller: Principal, pipeline_id: str) -> dict[str, Any]:
        """Return totals and latency of the last 24 hours, and throughput and lag of the last two minutes.

        In ms.
        """
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        day, recent, seconds = await self._read(caller.organization, pipeline_id)
        steps = pipeline.definition.get("transforms", [])
        return {
            "pipelineId": pipeline_id,
            **_summary(day, recent, seconds),
            "lag": lag_of(recent),
            "backpressure": await self._backpressure.of(caller.organization, pipeline_id),
            "steps": [
                {"step": at, "type": step["type"]} | {name: day[f"step{at}{name}"] for name in _STEP_COUNTS}
                for at, step in enumerate(steps)
            ],
        }

    async def stats(self, caller: Principal) -> dict[str, Any]:
        """Return the statistics of all pipelines of the organization together."""
        pipelines = await self._context.pipelines.all(caller.organization)
        day, recent, seconds = await self._read(caller.organization, TOTAL)
        states = Counter(one.state for one in pipelines)
        return {"pipelines": {"total": len(pipelines), **states}, **_summary(day, recent, seconds)}

    async def health(self, caller: Principal, pipeline_id: str) -> dict[str, Any]:
        """Return `healthy`, `degraded` or `unhealthy`, with reasons as text and their start."""
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        now = self._context.clock()
        minutes = await self._context.metrics.minutes(caller.organization, pipeline_id, now - HEALTH_MS)
        backpressure = await self._backpressure.of(caller.organization, pipeline_id)
        report = HealthReport(pipeline.state_since)
        report.of_items(minutes)
        report.of_windows(minutes, pipeline.definition.get("transforms", []))
        report.of_backpressure(backpressure)
        report.of_destinations(await self._destinations.of(caller.organization, pipeline))
        report.of_state(pipeline)
        return {
            "pipelineId": pipeline_id,
            "status": report.status,
            "state": pipeline.state,
            "reasons": report.reasons,
            "since": report.since,
            "checkedAt": iso(now),
        }

    async def _read(self, organization: str, pipeline_id: str) -> tuple[Counter[str], Counter[str], float]:
        """Return the counters of the day and of the last minutes, and the duration of the latter in
        seconds."""
        now = self._context.clock()
        minutes = await self._context.metrics.minutes(organization, pipeline_id, now - DAY_MS)
        # The current minute may be a second old: a rate needs the whole one before it as well.
        start = now // MINUTE_MS * MINUTE_MS - MINUTE_MS
        day = total(counters for _, counters in minutes)
        recent = total(counters for minute, counters in minutes if minute >= start)
        return day, recent, (now - start) / 1000


class HealthReport:
    """Reasons why a pipeline is not healthy. `since` is the earliest start of any of them, or `otherwise`."""

    def __init__(self, otherwise: str) -> None:
        self.status = "healthy"
        self.reasons: list[str] = []
        self._otherwise = otherwise
        self._since: list[str] = []

    @property
    def since(self) -> str:
        return min(self._since, default=self._otherwise)

    def of_items(self, minutes: list[tuple[int, Counters]]) -> None:
        """Assess the failures of the last minutes."""
        recent = total(counters for _, counters in minutes)
        taken = recent["itemsProcessed"] + recent["itemsFailed"]
        self._share("items failed", recent["itemsFailed"], taken, _first(minutes, "itemsFailed"))
        ended = recent["itemsDelivered"] + recent["deliveriesFailed"]
        lost = recent["deliveriesFailed"]
        self._share("deliveries became dead letters", lost, ended, _first(minutes, "deliveriesFailed"))
        retried, attempts = recent["deliveriesRetried"], recent["deliveryAttempts"]
        if retried:
            text = f"{retried} of {attempts} attempts to deliver failed and are repeated."
            self._because(text, "degraded", _first(minutes, "deliveriesRetried"))

    def of_windows(self, minutes: list[tuple[int, Counters]], steps: list[dict[str, Any]]) -> None:
        """Report events that were too late for their windows, with the setting that determines this."""
        recent = total(counters for _, counters in minutes)
        for at, step in enumerate(steps):
            if late := recent[f"step{at}late"]:
                why = _why_late(step.get("config", {}))
                text = f"{late} events of transforms.{at} came after their window was closed: {why}"
                self._because(text, "degraded", _first(minutes, f"step{at}late"))

    def of_backpressure(self, backpressure: float) -> None:
        if backpressure >= _DEGRADED_BACKPRESSURE:
            text = f"It falls behind: backpressure is {backpressure}."
            self._because(text, "unhealthy" if backpressure >= 1 else "degraded")

    def of_destinations(self, destinations: list[dict[str, Any]]) -> None:
        """Report destinations that get nothing now."""
        for one in destinations:
            if one["state"] != "closed":
                why = f": {one['reason']}" if one["reason"] else "."
                text = f"Destination {one['destination']} ({one['type']}) {_SAID[one['state']]}{why}"
                self._because(text, "unhealthy", one["since"])

    def of_state(self, pipeline: Pipeline) -> None:
        if pipeline.state == "paused":
            text = "It is paused; events wait until it is resumed."
            self._because(text, "degraded", pipeline.state_since)

    def _share(self, what: str, bad: int, of: int, since: str | None) -> None:
        if bad:
            text = f"{bad} of {of} {what} in the last five minutes."
            self._because(text, "unhealthy" if bad * 2 >= of else "degraded", since)

    def _because(self, reason: str, status: str, since: str | None = None) -> None:
        self.reasons.append(reason)
        self.status = "unhealthy" if "unhealthy" in (status, self.status) else status
        if since:
            self._since.append(since)


def _why_late(config: dict[str, Any]) -> str:
    field = config.get("timeField")
    read = f"`{field}` (ISO 8601, epoch seconds or milliseconds)" if field else "the event's own time"
    policy = "went to the dead letters" if config.get("late") == "dlq" else "were dropped"
    lateness = config.get("allowedLateness", WindowConfig.model_fields["allowed_lateness"].default)
    return f"by {read} they were older than allowedLateness ({lateness} ms) permits, and {policy}."


_SAID = {
    "disabled": "is disabled and gets nothing",
    "open": "fails and gets nothing for now",
    "half_open": "failed and is being tried again",
}


def _first(minutes: list[tuple[int, Counters]], name: str) -> str | None:
    return next((iso(minute) for minute, counters in minutes if counters.get(name)), None)


def _summary(day: Counter[str], recent: Counter[str], seconds: float) -> dict[str, Any]:
    return {name: day[name] for name in _TOTALS} | {
        "itemsFailed": day["itemsFailed"] + day["deliveriesFailed"],
        "deliveries": {name: day[counter] for name, counter in _DELIVERIES.items()},
        "throughput": round(recent["itemsProcessed"] / seconds, 3),
        "latency": summary(day),
    }
