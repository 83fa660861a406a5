"""Dedupe and running totals: exact whatever is redelivered, with any other events, and whatever dies."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.pipelines.event import Event, Payload
from millrace.pipelines.plan import Plan
from millrace.pipelines.state import totals
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import transform
from tests.pipelines.definitions import plan, step
from tests.pipelines.simulator import Simulation, Task, Worker
from tests.pipelines.test_windows_simulated import workers as workers

SUMS = [{"function": "count"}, {"field": "n", "function": "sum"}, {"field": "n", "function": "last"}]
TOTAL = step("aggregate", {"groupBy": ["g"], "aggregations": SUMS})
DEDUPE = step("dedupe", {"key": "g", "ttl": 86_400_000})
EVENTS = [Event({"g": "ab"[at % 2], "n": at, "text": "x" * at}, f"e{at}", "s", time=at) for at in range(12)]
SEEDS = range(150)
deliveries = st.lists(st.lists(st.integers(0, len(EVENTS) - 1), min_size=1, max_size=6), max_size=12)


@settings(max_examples=150, deadline=None)
@given(batches=deliveries, room=st.sampled_from([0, 40, 20_000]))
def test_id_of_a_running_total_always_has_the_same_values(batches: list[list[int]], room: int) -> None:
    made, store = plan(TOTAL), MemoryStore()
    seen: dict[str, Payload] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "_VALUES_BYTES", room)
        for batch in batches:
            for output in transform(made, [EVENTS[at] for at in batch], store, 0).outputs:
                assert seen.setdefault(output.id, output.payload) == output.payload
    assert max((each["count"] for each in seen.values()), default=0) <= len(EVENTS) // 2


def test_redelivered_running_total_leaves_under_its_id_as_it_was() -> None:
    made, store = plan(TOTAL), MemoryStore()
    first = transform(made, EVENTS[:1], store, 0).outputs
    transform(made, EVENTS, store, 0)
    assert transform(made, EVENTS[:1], store, 0).outputs == first


class Passing(Simulation):
    """The sink gets what passes, one by one: the writer may die between two."""

    def writer(self, events: list[Event]) -> Task:
        def write() -> None:
            for output in transform(self.plan, events, self.store, self.now).outputs:
                self.checkpoint()
                self.sink.append(output)

        return write


def _passed(made: Plan, workers: list[Worker]) -> Iterator[dict[str, list[Event]]]:
    """Return what passes of each group, in many orders of deliveries and deaths."""
    for seed in SEEDS:
        simulation = Passing(made, workers, seed)
        simulation.run(list(EVENTS))
        groups = defaultdict(list)
        for event in simulation.sink:
            groups[event.payload.get("g") or event.payload["group"]["g"]].append(event)
        yield groups


def test_one_event_of_each_key_passes_in_every_run(workers: list[Worker]) -> None:
    for groups in _passed(plan(DEDUPE), workers):
        assert {key: len({event.id for event in passed}) for key, passed in groups.items()} == {
            "a": 1,
            "b": 1,
        }


def test_running_totals_count_each_event_once_in_every_run(workers: list[Worker]) -> None:
    for groups in _passed(plan(TOTAL), workers):
        for key, passed in groups.items():
            values = {event.id: event.payload["values"] for event in passed}
            assert all(values[event.id] == event.payload["values"] for event in passed)
            assert sorted(each["count"] for each in values.values()) == [1, 2, 3, 4, 5, 6]
            expected = sum(event.payload["n"] for event in EVENTS if event.payload["g"] == key)
            assert max(each["sum_n"] for each in values.values()) == expected
