"""The histogram of latencies."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.latency import BOUNDS_MS, LONGEST_BEFORE_MS, began, measure, summary


@given(st.lists(st.integers(-5, BOUNDS_MS[-1]), min_size=1, max_size=50))
def test_percentiles_are_upper_bounds_within_their_place(latencies: list[int]) -> None:
    counters: Counter[str] = Counter()
    for latency in latencies:
        measure(counters, latency)
    ordered = sorted(max(latency, 0) for latency in latencies)
    reported = summary(counters)
    assert reported["avg"] == round(sum(ordered) / len(ordered), 1)
    for rank in (50, 95, 99):
        exact = ordered[-(-rank * len(ordered) // 100) - 1]
        bound = reported[f"p{rank}"]
        assert bound is not None
        assert exact <= bound
        assert bound == BOUNDS_MS[0] or bound <= exact * 2.5


def test_latency_without_samples_is_none_and_too_long_counts_as_the_longest() -> None:
    assert summary({}) == {"avg": None, "p50": None, "p95": None, "p99": None}
    counters: Counter[str] = Counter()
    measure(counters, BOUNDS_MS[-1] * 3)
    assert summary(counters)["p50"] == BOUNDS_MS[-1]


@given(st.integers(-(10**14), 10**14), st.integers(0, 10**13))
def test_latency_begins_with_the_event_or_its_acceptance_and_never_a_day_before(
    time: int, accepted: int
) -> None:
    start = began(time, accepted)
    assert start in (time, accepted)
    assert accepted - LONGEST_BEFORE_MS <= start <= accepted
    if accepted - LONGEST_BEFORE_MS <= time <= accepted:
        assert start == time
