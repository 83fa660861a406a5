import math
import random
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.token_bucket import Bucket, Rate, SlotRequest, reserve

NOW = 1_790_000_000_000
FOREVER = float("inf")
ULP = math.ulp(float(NOW))
"""Milliseconds by which the time of each slot may be rounded."""

rates = st.builds(Rate, st.floats(0.1, 1_000), st.integers(1, 50))
asks = st.builds(
    SlotRequest,
    count=st.integers(1, 60),
    due=st.integers(1, 100),
    ends=st.just(FOREVER),
    new=st.booleans(),
    served=st.booleans(),
)


@given(rates, st.lists(st.tuples(st.integers(-50, 500), asks), min_size=1, max_size=100))
def test_slots_in_any_interval_are_within_burst_and_rate(
    rate: Rate, steps: list[tuple[int, SlotRequest]]
) -> None:
    bucket, now = Bucket(), NOW
    slots: list[float] = []
    for step, request in steps:
        now += step
        bucket, grant = reserve(bucket, rate, request, now)
        assert bool(grant.slots) != bool(grant.wait_ms)
        assert all(now <= slot <= now + rate.ahead for slot in grant.slots)
        slots += grant.slots
    slots.sort()
    for first in range(len(slots)):
        for last in range(first, len(slots), 7):
            count = last - first + 1
            allowed = rate.burst + (slots[last] - slots[first]) / rate.interval
            rounding = count * ULP / rate.interval
            assert count <= allowed + 0.01 + rounding


@given(rates, st.integers(0, 10**6))
def test_rest_fills_the_burst_again_and_no_more(rate: Rate, rest: int) -> None:
    spent = Bucket()
    request = SlotRequest(rate.burst, rate.burst, FOREVER)
    spent, grant = reserve(spent, rate, request, NOW)
    assert grant.slots == (float(NOW),) * rate.burst
    _, again = reserve(spent, rate, request, NOW + rest)
    at_once = again.slots.count(float(NOW + rest))
    assert at_once in {min(rate.burst, int(rest / rate.interval) + wrong) for wrong in (0, 1)}


@given(rates, asks, st.integers(1, 20))
def test_delayed_job_returns_before_its_slot_and_gets_it(rate: Rate, request: SlotRequest, jobs: int) -> None:
    """Jobs that come back find the slots that the line gave them, if nobody overtakes."""
    bucket = Bucket()
    while (found := reserve(bucket, rate, SlotRequest(60, 1, FOREVER), NOW))[1].slots:
        bucket = found[0]
    back = []
    for _ in range(jobs):
        bucket, grant = reserve(bucket, rate, SlotRequest(1, 1, FOREVER, new=True), NOW)
        back.append(NOW + grant.wait_ms)
    assert back == sorted(back)
    for at in back:
        bucket, grant = reserve(bucket, rate, SlotRequest(1, 1, FOREVER), at)
        assert len(grant.slots) == 1
        assert grant.slots[0] - at <= rate.ahead


def test_new_jobs_do_not_overtake_the_line_unless_nobody_is_there() -> None:
    rate = Rate(1, 1)
    bucket = Bucket(full_at=NOW + 3_000.0, queue_end=NOW + 60_000.0)
    assert reserve(bucket, rate, SlotRequest(1, 1, FOREVER, new=True), NOW)[1].slots == ()
    assert reserve(bucket, rate, SlotRequest(1, 1, FOREVER), NOW)[1].slots == (NOW + 3_000.0,)
    idle = Bucket(full_at=NOW - 1.0, queue_end=NOW + 60_000.0)
    assert reserve(idle, rate, SlotRequest(1, 1, FOREVER, new=True), NOW)[1].slots == (float(NOW),)


def test_slots_are_reserved_within_the_time_of_their_job() -> None:
    _, grant = reserve(Bucket(), Rate(10, 1), SlotRequest(50, 50, ends=NOW + 500), NOW)
    assert grant.slots == tuple(NOW + n * 100.0 for n in range(6))


@given(st.integers(1, 400), st.integers(1, 50), st.randoms(use_true_random=False))
def test_second_has_at_most_the_limit_and_the_burst_even_with_late_slots(
    per_second: int, burst: int, chance: random.Random
) -> None:
    rate = Rate(per_second, burst)
    bucket, now, used = Bucket(), NOW, list[float]()
    while len(used) < burst + 3 * per_second:
        bucket, grant = reserve(bucket, rate, SlotRequest(60, 60, FOREVER), now)
        used += [slot + chance.choice([0, 0.5, 0.999]) * rate.late for slot in grant.slots]
        now += chance.choice([1, 20, 700, 3_000])
    used.sort()
    assert max(bisect_left(used, at + 1_000) - n for n, at in enumerate(used)) <= per_second + burst


@given(rates, st.integers(0, 1_000))
def test_first_slot_leaves_time_for_the_reservation(rate: Rate, lead: int) -> None:
    _, grant = reserve(Bucket(), rate, SlotRequest(1, 1, FOREVER, lead=lead), NOW)
    assert grant.slots == (float(NOW + lead),)


@given(rates)
def test_reservations_cost_at_most_a_fiftieth_of_the_limit(rate: Rate) -> None:
    assert 1 - 1e-9 <= rate.interval * rate.per_second / 1_000 <= 1.02 + 1e-9
