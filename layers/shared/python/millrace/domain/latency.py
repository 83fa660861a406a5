"""Durations as counters that can be added up: `latencySum`, `latencyCount`, and a histogram, `latency<n>` for
the n-th bound."""

from collections import Counter
from collections.abc import Mapping

BOUNDS_MS = tuple(step * 10**power for power in range(1, 8) for step in (1, 2, 5))
"""Upper bounds: 10, 20, 50, 100 ms and so on to 14 hours. Longer durations count as the last one."""


LONGEST_BEFORE_MS = 86_400_000


def began(time: int, accepted: int) -> int:
    """Return the time from which a delivery's latency is measured: when the event happened, if that was
    within the day before it was accepted, otherwise when it was accepted. Imports of old events, and wrong
    clocks, say nothing about deliveries."""
    return time if 0 <= accepted - time <= LONGEST_BEFORE_MS else accepted


def measure(counters: Counter[str], ms: int) -> None:
    """Add one duration; a negative one (clocks differ) counts as zero."""
    ms = max(ms, 0)
    place = next((at for at, bound in enumerate(BOUNDS_MS) if ms <= bound), len(BOUNDS_MS) - 1)
    counters.update({"latencySum": ms, "latencyCount": 1, f"latency{place}": 1})


def summary(counters: Mapping[str, int]) -> dict[str, float | None]:
    """Return `{avg, p50, p95, p99}` in ms: avg is exact, percentiles are the upper bounds of their bins. All
    are None if nothing was measured."""
    count = counters.get("latencyCount", 0)
    average = round(counters["latencySum"] / count, 1) if count else None
    return {"avg": average} | {
        f"p{rank}": _percentile(counters, rank, count) if count else None for rank in (50, 95, 99)
    }


def _percentile(counters: Mapping[str, int], rank: int, count: int) -> float:
    seen = 0
    for place, bound in enumerate(BOUNDS_MS):
        seen += counters.get(f"latency{place}", 0)
        if seen * 100 >= rank * count:
            return float(bound)
    return float(BOUNDS_MS[-1])
