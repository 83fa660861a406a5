from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.retries import CAP_MS, LEAST_MS, LONGEST_ASKED_MS, wait_ms


@given(
    st.integers(0, 10_000),
    st.integers(0, 900_000),
    st.none() | st.floats(allow_nan=False),
    st.floats(0, 1),
)
def test_wait_is_never_shorter_than_asked_nor_without_end(
    attempt: int, backoff: int, asked: float | None, chance: float
) -> None:
    wait = wait_ms(attempt, backoff, asked, chance)
    assert LEAST_MS <= wait <= max(CAP_MS, LONGEST_ASKED_MS)
    if asked is not None and 0 <= asked <= 3_600:
        assert wait >= int(asked * 1000)


@given(st.integers(0, 30), st.integers(1_000, 900_000))
def test_longest_wait_doubles(attempt: int, backoff: int) -> None:
    assert wait_ms(attempt, backoff, None, 1.0) == min(CAP_MS, backoff * 2**attempt)
