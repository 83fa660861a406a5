"""Metrics of alert rules over time: the values that a rule would have measured, and its alerts."""

from collections.abc import Sequence
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.alerts import AlertSettings
from millrace.domain.alerts_metrics import BUCKET_MS, Bucket, value_of
from millrace.domain.clock import from_iso, iso
from millrace.errors import InvalidRequest
from millrace.services.command_center.record import Recorder
from millrace.stores.record import METRICS_MS

MOST_POINTS = 120
USUAL_MS = 3_600_000


class AlertSeries:
    """Operations on metrics and past alerts."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def of(
        self, caller: Principal, rule: AlertSettings, since: str | None, until: str | None
    ) -> dict[str, Any]:
        """Return the rule's metric at up to 120 times of a span, each over the rule's window before it.

        Returns `{metric, window, from, to, points: [{time, value}]}`. The past silence of runs is not
        recorded, so `stuck_run` has only the current value. Raises `InvalidRequest`.
        """
        now = self._recorder.clock()
        start, end = _span(since, until, now)
        if rule.metric == "stuck_run":
            points = [{"time": iso(now), "value": await self._stuck(caller, rule, now)}]
        else:
            found = await self._recorder.records.buckets(caller.organization, start - rule.window, end)
            points = _points(rule, found, _times(start, end))
        return {
            "metric": rule.metric,
            "window": rule.window,
            "agentIds": rule.agent_ids,
            "from": iso(start),
            "to": iso(end),
            "points": points,
        }

    async def _stuck(self, caller: Principal, rule: AlertSettings, now: int) -> float | None:
        live = await self._recorder.records.live(caller.organization)
        return value_of(rule, [], [subject.view for subject in live], now)

    async def history(
        self, caller: Principal, rule_id: str, before: int | None, limit: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return the rule's alerts of the last 31 days, newest first, and the number to continue before.

        Raises `NotFound`.
        """
        await self._recorder.alerts.rule(caller.organization, rule_id)
        found = await self._recorder.records.alerts(caller.organization, rule_id, before, limit)
        more = found[-1]["number"] if len(found) == limit else None
        return [{name: one[name] for name in one if name != "number"} for one in found], more


def _span(since: str | None, until: str | None, now: int) -> tuple[int, int]:
    end = min(from_iso(until), now) if until else now
    start = from_iso(since) if since else end - USUAL_MS
    if not now - METRICS_MS <= start < end:
        raise InvalidRequest(
            "`from` must be before `to` and at most 24 hours before now.", code="invalid_time"
        )
    return start, end


def _times(start: int, end: int) -> list[int]:
    step = max(-(-(end - start) // MOST_POINTS), BUCKET_MS)
    return list(range(end, start, -step))[::-1]


def _points(rule: AlertSettings, found: dict[int, Bucket], times: Sequence[int]) -> list[dict[str, Any]]:
    """Return the values that evaluations at these times would have measured.

    Buckets that were partly too old are left out.
    """
    starts = sorted(found)
    points, low, high = [], 0, 0
    for time in times:
        while high < len(starts) and starts[high] <= time:
            high += 1
        while low < high and starts[low] <= time - rule.window:
            low += 1
        inside = [found[start] for start in starts[low:high]]
        points.append({"time": iso(time), "value": value_of(rule, inside, [], time)})
    return points
