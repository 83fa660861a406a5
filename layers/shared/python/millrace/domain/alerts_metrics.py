"""The metrics of alert rules: sums per agent in buckets of ten seconds, added up over a rule's window.

A bucket is JSON: `{agentId: {"runs", "errors", "cost", "unpriced", "tokens", "backpressure", "durations":
{bin: n}}}`. `unpriced` counts the model calls whose cost is not known; runs of unknown duration have no bin.
Durations are kept as a histogram with bins 5 % wide, so percentiles are accurate to 2.5 % and the size of a
bucket does not grow with traffic.
"""

import math
from collections.abc import Iterable
from typing import Any

from millrace.domain.alerts import MAX_WINDOW_MS, AlertSettings
from millrace.domain.clock import from_iso
from millrace.domain.command_center import ENDS
from millrace.domain.events import Event

BUCKET_MS = 10_000
_WIDTH = math.log(1.05)
Bucket = dict[str, dict[str, Any]]


def bucket_start(ms: int) -> int:
    """Return the start of the bucket that contains this time."""
    return ms - ms % BUCKET_MS


def bucket_of(event: Event, now: int) -> int | None:
    """Return the start of the bucket that counts an event: that of the event's time, or of `now` if that is
    in the future. None for events without metrics, and for those that are too late for any rule."""
    at = min(from_iso(event["time"]), now)
    if not _facts(event) or now - at > MAX_WINDOW_MS:
        return None
    return bucket_start(at)


def count(bucket: Bucket, event: Event) -> None:
    """Add an event to its bucket."""
    totals = bucket.setdefault(event.get("agentId", ""), {})
    for name, value in _facts(event).items():
        if name == "durations":
            bins = totals.setdefault("durations", {})
            bins[value] = bins.get(value, 0) + 1
        elif name == "backpressure":
            totals[name] = max(totals.get(name, 0), value)
        else:
            totals[name] = totals.get(name, 0) + value


def _facts(event: Event) -> dict[str, Any]:
    kind = event["type"]
    if kind == "run:llm_call":
        tokens, cost = event.get("tokens") or {}, event.get("cost")
        spent = {"unpriced": 1} if cost is None else {"cost": cost}
        return {"tokens": sum(tokens.values())} | spent
    if kind in ENDS:
        ended = {"runs": 1, "errors": int(kind == "run:error")}
        took = event.get("durationMs")
        return ended if took is None else ended | {"durations": _bin(took)}
    if kind == "pipeline:backpressure":
        return {"backpressure": float(event.get("backpressure") or 0)}
    return {}


def _bin(duration_ms: float) -> str:
    return str(math.ceil(math.log(max(1, duration_ms)) / _WIDTH))


def value_of(
    rule: AlertSettings, buckets: Iterable[Bucket], live: Iterable[dict[str, Any]], now: int
) -> float | None:
    """Return the rule's metric over these buckets and active runs; None if there is nothing to measure."""
    if rule.metric == "stuck_run":
        runs = [run for run in live if not rule.agent_ids or run["agentId"] in rule.agent_ids]
        return max((now - from_iso(run["lastEventAt"])) / 1000 for run in runs) if runs else None
    kept = [totals for bucket in buckets for agent, totals in bucket.items() if _concerns(rule, agent)]
    if rule.metric == "error_rate":
        runs_ended = _sum(kept, "runs")
        return _sum(kept, "errors") / runs_ended if runs_ended else None
    if rule.metric == "latency_p95":
        return _percentile(kept, 0.95)
    if rule.metric == "backpressure":
        return max((totals["backpressure"] for totals in kept if "backpressure" in totals), default=None)
    if rule.metric == "cost" and not any("cost" in totals for totals in kept):
        return None if any("unpriced" in totals for totals in kept) else 0.0
    return _sum(kept, rule.metric)


def _concerns(rule: AlertSettings, agent: str) -> bool:
    return not rule.agent_ids or agent in rule.agent_ids


def _sum(kept: list[dict[str, Any]], name: str) -> float:
    # Plain addition of many small costs would depend on their order.
    return math.fsum(totals.get(name, 0) for totals in kept)


def _percentile(kept: list[dict[str, Any]], share: float) -> float | None:
    bins: dict[int, int] = {}
    for totals in kept:
        for number, times in totals.get("durations", {}).items():
            bins[int(number)] = bins.get(int(number), 0) + times
    rank = math.ceil(share * sum(bins.values()))
    for number in sorted(bins):
        rank -= bins[number]
        if rank <= 0:
            return math.exp((number - 0.5) * _WIDTH)
    return None
