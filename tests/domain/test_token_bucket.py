from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.token_bucket import Bucket, take

NOW = 1_790_000_000_000


@given(
    st.floats(0.1, 1_000),
    st.integers(1, 50),
    st.lists(st.integers(-50, 500), min_size=1, max_size=200),
)
def test_never_more_than_the_burst_and_what_time_allows(
    per_second: float, burst: int, steps: list[int]
) -> None:
    bucket, now, latest, granted = Bucket(), NOW, NOW, 0
    for step in steps:
        now += step
        latest = max(latest, now)
        bucket, wait = take(bucket, per_second, burst, now)
        granted += wait == 0
    assert granted <= burst + (latest - NOW) * per_second / 1000 + 1e-6


@given(st.floats(0.01, 10_000), st.integers(1, 100), st.integers(0, 10**6))
def test_after_the_wait_there_is_a_token(per_second: float, burst: int, passed: int) -> None:
    bucket = Bucket()
    for _ in range(burst):
        bucket, wait = take(bucket, per_second, burst, NOW)
        assert wait == 0
    empty, wait = take(bucket, per_second, burst, NOW)
    assert empty == bucket
    assert wait > 0
    assert take(bucket, per_second, burst, NOW + wait)[1] == 0
