from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.circuit import (
    ASK_AGAIN_MS,
    LEAST_REQUESTS,
    LONGEST_OPEN_MS,
    OPEN_MS,
    PROBE_MS,
    PROVEN_MS,
    WINDOW_MS,
    Circuit,
    admission,
    counted,
    disabled,
    probed,
    probing,
    unused,
)

NOW = 1_790_000_000_000
COUNTS = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2_000))


@given(st.lists(COUNTS, max_size=30))
def test_circuit_opens_at_half_of_at_least_twenty_within_the_window_and_not_before(
    counts: list[tuple[int, int, int]],
) -> None:
    circuit, now, since, good, bad = Circuit(), NOW, 0, 0, 0
    for succeeded, failed, passed in counts:
        now += passed
        if now - since >= WINDOW_MS:
            since, good, bad = now, 0, 0
        good, bad = good + succeeded, bad + failed
        circuit = counted(circuit, succeeded, failed, now)
        should_open = good + bad >= LEAST_REQUESTS and bad * 2 >= good + bad
        assert circuit.is_open == should_open
        if should_open:
            return


@given(st.integers(1, 40))
def test_each_opening_in_a_row_lasts_longer_up_to_a_limit(openings: int) -> None:
    circuit, now, before = counted(Circuit(), 0, LEAST_REQUESTS, NOW), NOW, 0
    for _ in range(openings):
        length = circuit.until - now
        assert max(before, OPEN_MS) <= length <= LONGEST_OPEN_MS
        before, now = length, circuit.until
        circuit = probed(probing(circuit, now), False, now)
    assert probed(circuit, True, now) == Circuit(since=now, proven=now + PROVEN_MS)


@given(st.lists(st.integers(0, PROBE_MS - 1), min_size=1, max_size=20))
def test_probes_are_sent_one_at_a_time(moments: list[int]) -> None:
    opened = counted(Circuit(), 0, LEAST_REQUESTS, NOW)
    assert admission(opened, opened.until - 1).verdict == "wait"
    assert admission(opened, opened.until).verdict == "probe"
    taken = probing(opened, opened.until)
    for passed in moments:
        asked = admission(taken, opened.until + passed)
        assert (asked.verdict, asked.wait_ms) == ("wait", min(PROBE_MS - passed, ASK_AGAIN_MS))
    assert admission(taken, opened.until + PROBE_MS).verdict == "probe"
    assert admission(unused(taken), opened.until + 1).verdict == "probe"


def test_results_that_come_late_change_nothing() -> None:
    opened = counted(Circuit(), 0, LEAST_REQUESTS, NOW)
    assert counted(opened, 500, 500, NOW + 1) == opened
    assert probed(Circuit(), False, NOW) == Circuit()


def test_disabled_destination_gets_nothing() -> None:
    gone = disabled(Circuit(), NOW)
    assert admission(gone, NOW + 10**9).verdict == "disabled"
    assert counted(gone, 5, 50, NOW) == gone


def test_two_jobs_without_an_answer_in_time_open_the_circuit() -> None:
    once = counted(Circuit(), 0, 1, NOW, "no answer", hung=True)
    assert admission(once, NOW).verdict == "go"
    twice = counted(once, 0, 1, NOW, "no answer", hung=True)
    assert admission(twice, NOW).verdict == "wait"
    answered = counted(counted(Circuit(), 5, 0, NOW), 0, 1, NOW, hung=True)
    assert admission(counted(answered, 0, 1, NOW, hung=True), NOW).verdict == "go", "slow, but it works"


def test_destination_is_proven_while_it_answers() -> None:
    assert not admission(Circuit(), NOW).proven
    answered = counted(Circuit(), 1, 0, NOW)
    assert admission(answered, NOW).proven
    assert admission(counted(answered, 3, 1, NOW), NOW).proven
    assert not admission(counted(answered, 0, 1, NOW), NOW).proven
    assert not admission(answered, NOW + PROVEN_MS).proven
    assert admission(counted(answered, 1, 0, NOW + PROVEN_MS - 1), NOW + PROVEN_MS).proven
