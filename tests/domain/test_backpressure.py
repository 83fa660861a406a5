"""Backpressure: what increases it and what does not."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.backpressure import (
    BEHIND_MS,
    REFUSE_AT,
    Drain,
    backpressure_of,
    drain_of,
    queue_backpressure,
)

NOW = 1_790_000_000_000
COUNT = st.integers(0, 10**9)


@given(st.floats(-1, 1e12), st.floats(0, 1e9), COUNT, COUNT)
def test_backpressure_is_between_0_and_1(lag: float, queues: float, throttled: int, attempts: int) -> None:
    assert 0 <= backpressure_of(lag, queues, throttled, attempts) <= 1


def test_backpressure_grows_with_the_worst_of_lag_depth_and_throttling() -> None:
    assert backpressure_of(0, 0, 0, 0) == 0
    assert backpressure_of(15_000, 0, 0, 100) == 0.5
    assert backpressure_of(15_000, 0.7, 0, 100) == 0.7
    assert backpressure_of(15_000, 0.7, 80, 100) == 0.8


def test_ten_messages_in_an_idle_queue_are_no_pressure() -> None:
    assert queue_backpressure(10, drain_of([], NOW)) < 0.01
    assert queue_backpressure(10, drain_of([(NOW - 30_000, 3, 0)], NOW)) < 0.01


def test_single_throttled_request_does_not_cause_backpressure() -> None:
    assert backpressure_of(0, 0, 1, 1) < 0.1
    assert backpressure_of(0, 0, 20, 20) >= REFUSE_AT


def test_queue_that_is_behind_is_measured_by_what_it_was_drained_at() -> None:
    slow = drain_of([(NOW - 20_000, 10, 10 * BEHIND_MS), (NOW - 10_000, 10, 10 * BEHIND_MS)], NOW)
    assert slow == Drain(1.0, BEHIND_MS)
    assert queue_backpressure(15, slow) == 0.5
    assert queue_backpressure(15, Drain(1.0, BEHIND_MS - 1)) < 0.01


def test_burst_after_a_silence_is_not_measured_by_the_silence() -> None:
    assert drain_of([(NOW - 60_000, 0, 0), (NOW - 5_000, 50, 0)], NOW).per_second == 10


def test_fast_queue_may_be_deeper() -> None:
    assert queue_backpressure(15_000, Drain(1_000)) == 0.5
