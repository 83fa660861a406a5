"""Windows are exact whatever crashes, repeats or arrives out of order: see `simulator`."""

import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from millrace.pipelines.event import Event
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.store import Key, Register
from tests.effort import effort, soak
from tests.pipelines.definitions import plan, step
from tests.pipelines.simulator import (
    Simulation,
    SteppedStore,
    Worker,
    distinct_batches,
    final_results,
)

RUNS = effort(250, 5_000)
SIZE, SLIDE, GAP, LONGEST = 10_000, 5_000, 3_000, 9_000
SUMS = [{"field": "n", "function": "sum"}, {"field": "n", "function": "last"}]
GROUPED: dict[str, Any] = {"groupBy": ["g"], "aggregations": SUMS, "grace": 1_000}
Result = dict[tuple[int, str], tuple[int, float, float]]


def tumbling() -> Plan:
    return plan(step("window", {"type": "tumbling", "size": SIZE, **GROUPED}))


def sliding() -> Plan:
    return plan(step("window", {"type": "sliding", "size": SIZE, "slide": SLIDE, **GROUPED}))


def session() -> Plan:
    return plan(step("window", {"type": "session", "gap": GAP, "maxDuration": LONGEST, **GROUPED}))


def batch() -> Plan:
    return plan(step("batch", {"size": 3, "timeout": 8_000}))


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    pool = [Worker() for _ in range(4)]
    yield pool
    for worker in pool:
        worker.stop()


def made_events(seed: int) -> list[Event]:
    random = Random(-seed)
    made = []
    for at in range(random.randint(3, 14)):
        time = random.randrange(0, 25_000)
        payload = {"g": random.choice("ab"), "n": random.choice((0.1, 0.2, 0.3, 1e16, -1e16)), "at": at}
        # Every other run, all comes just when its window is about to fire.
        due = (time // SIZE + 1) * SIZE + 1_000 + random.randrange(-200, 200)
        ingested = due if seed % 2 else time + random.randrange(0, 20_000)
        made.append(Event(payload, f"e{at}", "s", time=time, ingested=ingested))
    return made


def summary(members: list[Event]) -> tuple[int, float, float]:
    last = max(members, key=lambda event: (event.time, event.id))
    return len(members), math.fsum(event.payload["n"] for event in members), last.payload["n"]


def expected_windows(events: list[Event], size: int, slide: int) -> Result:
    members: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events:
        for start in range(-size + slide, 40_000, slide):
            aligned = start // slide * slide
            if aligned <= event.time < aligned + size:
                members[aligned, event.payload["g"]].append(event)
    return {key: summary(each) for key, each in members.items()}


def expected_sessions(events: list[Event]) -> Result:
    found: Result = {}
    for group in "ab":
        ordered = sorted((each for each in events if each.payload["g"] == group), key=lambda e: e.time)
        while ordered:
            end = 1
            while end < len(ordered) and (
                ordered[end].time - ordered[end - 1].time < GAP
                and ordered[end].time - ordered[0].time < LONGEST
            ):
                end += 1
            found[ordered[0].time, group] = summary(ordered[:end])
            ordered = ordered[end:]
    return found


def found_results(sink: list[Event]) -> Result:
    return {
        (each["windowStart"], each["group"]["g"]): (
            each["count"],
            each["values"]["sum_n"],
            each["values"]["last_n"],
        )
        for each in final_results(sink).values()
    }


def simulate(made: Plan, workers: list[Worker], seed: int) -> tuple[list[Event], Simulation]:
    events = made_events(seed)
    simulation = Simulation(made, workers, seed)
    simulation.run(list(events))
    return events, simulation


def wrong_seeds(made: Plan, workers: list[Worker], expect: Any, runs: int = RUNS) -> list[int]:
    wrong = []
    for seed in range(runs):
        events, simulation = simulate(made, workers, seed)
        results = (found_results(simulation.prompt), found_results(simulation.sink))
        if results != (expect(events),) * 2 or simulation.late_events:
            wrong.append(seed)
    return wrong


@soak
def test_tumbling_windows_are_exact_in_every_run(workers: list[Worker]) -> None:
    assert wrong_seeds(tumbling(), workers, lambda events: expected_windows(events, SIZE, SIZE)) == []


@soak
def test_sliding_windows_are_exact_in_every_run(workers: list[Worker]) -> None:
    assert wrong_seeds(sliding(), workers, lambda events: expected_windows(events, SIZE, SLIDE)) == []


@soak
def test_sessions_are_exact_in_every_run(workers: list[Worker]) -> None:
    assert wrong_seeds(session(), workers, expected_sessions) == []


def batch_is_wrong(events: list[Event], sink: list[Event]) -> bool:
    batches = distinct_batches(sink)
    items = sorted(item["at"] for each in batches.values() for item in each)
    return items != list(range(len(events))) or any(len(each) > 3 for each in batches.values())


@soak
def test_every_item_is_in_exactly_one_batch_in_every_run(workers: list[Worker]) -> None:
    made = batch()
    runs = (simulate(made, workers, seed) for seed in range(RUNS))
    assert not [True for events, simulation in runs if batch_is_wrong(events, simulation.sink)]


class StaleStore(SteppedStore):
    """A store as a writer without the second look would see it: META as it was before the block was put."""

    def __init__(self, checkpoint: Any) -> None:
        super().__init__(checkpoint)
        self.seen: dict[tuple[int, Key], Register | None] = {}

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        self.seen[threading.get_ident(), key] = self.inner.read(key)
        super().append(key, blocks, expires)

    def read(self, key: Key) -> Register | None:
        mine = (threading.get_ident(), key)
        self._checkpoint()
        return self.seen.pop(mine) if mine in self.seen else self.inner.read(key)


def test_simulator_finds_the_fault_when_meta_is_not_read_after_the_blocks(
    workers: list[Worker],
) -> None:
    wrong, seeds = 0, iter(range(1, 801, 2))
    while wrong < 3:
        seed = next(seeds)
        events, simulation = made_events(seed), Simulation(tumbling(), workers, seed)
        simulation.store = StaleStore(simulation.checkpoint)
        simulation.run(list(events))
        wrong += found_results(simulation.prompt) != expected_windows(events, SIZE, SIZE)
