"""A window with very many blocks, whose last firing does not fit into META."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace.pipelines.plan import Plan
from millrace.pipelines.state import covered
from millrace.pipelines.state.covered import cover, covered_by
from millrace.pipelines.state.firing import sweep
from millrace.pipelines.state.meta import Meta, digests
from millrace.pipelines.state.store import Key, MemoryStore
from tests.effort import effort, soak
from tests.pipelines.simulator import Worker
from tests.pipelines.test_windows import DAY, MINUTE, live
from tests.pipelines.test_windows_simulated import (
    SIZE,
    SLIDE,
    Result,
    expected_sessions,
    expected_windows,
    session,
    sliding,
    tumbling,
    wrong_seeds,
)
from tests.pipelines.test_windows_simulated import workers as workers

RUNS = effort(40, 1_000)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covered, "MOST", 2)


def test_window_of_many_blocks_is_sent_once_and_closes() -> None:
    made = live()
    for at in range(5):
        made.write(f"e{at}", at, 20)
    assert made.pass_time(2 * MINUTE) == [(0, 5)]
    made.write("e0", 0, 2 * MINUTE)
    assert made.pass_time(3 * MINUTE) == [], "a repetition changes nothing"
    made.write("late", 6, 3 * MINUTE)
    assert [count for _, count in made.pass_time(4 * MINUTE)] == [6]
    for at in range(1, 6):
        sweep(made.store, made, DAY + at * MINUTE)
        assert made.pass_time(DAY + at * MINUTE) == []
    assert made.store._blocks == {}
    assert made.store.due(2 * DAY, 10) == []


@soak
@pytest.mark.parametrize(
    ("made", "expect"),
    [
        (tumbling, lambda events: expected_windows(events, SIZE, SIZE)),
        (sliding, lambda events: expected_windows(events, SIZE, SLIDE)),
        (session, expected_sessions),
    ],
)
def test_windows_of_many_blocks_are_exact_in_every_run(
    made: Callable[[], Plan], expect: Callable[[list[Any]], Result], workers: list[Worker]
) -> None:
    assert wrong_seeds(made(), workers, expect, RUNS) == []


def test_coverage_of_very_many_blocks_fits_into_items() -> None:
    store, key = MemoryStore(), Key("t", "p", "s", "0")
    many = digests(map(str, range(100_000)))
    fired = cover(store, key, Meta(generation=3), many, 0)
    assert len(fired.encode()) < 1_000
    assert max(len(block) for blocks in store._blocks.values() for block in blocks.values()) <= 350_000
    assert covered_by(store, key, fired) == many
