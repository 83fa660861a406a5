"""Steps without windows: the result of each event, and idempotency for redelivered ones."""

from typing import Any

import orjson
import pytest

from millrace.pipelines.event import Event
from millrace.pipelines.outcome import Outcome
from millrace.pipelines.plan import Plan, step_hash
from millrace.pipelines.state.store import Key, MemoryStore
from millrace.pipelines.transform import transform
from tests.pipelines.definitions import definition, events, plan, run, step

UPPER = {"expression": {"name": "upper(name)", "n": "n"}}
BAD: list[dict[str, Any]] = [{"name": "a", "n": 1}, {"name": 5, "n": 2}, {"name": "c", "n": 3}]


@pytest.mark.parametrize(
    ("on_error", "kept", "dead_letters"),
    [
        ("dlq", [{"name": "A", "n": 1}, {"name": "C", "n": 3}], 1),
        ("drop", [{"name": "A", "n": 1}, {"name": "C", "n": 3}], 0),
        ("null", [{"name": "A", "n": 1}, {"name": None, "n": 2}, {"name": "C", "n": 3}], 0),
    ],
)
def test_event_that_fails_follows_on_error(on_error: str, kept: list[Any], dead_letters: int) -> None:
    outputs, local = run([step("map", UPPER, onError=on_error)], *BAD)
    assert outputs == kept
    assert [dead_letter.payload for dead_letter in local.dead_letters] == [BAD[1]][:dead_letters]
    assert local.counts[0].failed == (on_error != "null")


def test_map_values_nest_and_literals_stand_for_themselves() -> None:
    expression = {"a": [1, None, {"b": "n + 1"}], "c": True, "d": 1.5, "e": "'text'"}
    assert run([step("map", {"expression": expression})], {"n": 1})[0] == [
        {"a": [1, None, {"b": 2}], "c": True, "d": 1.5, "e": "text"}
    ]


@pytest.mark.parametrize("width", range(1, 10))
def test_map_of_any_width_keeps_names_and_values_together(width: int) -> None:
    expression = {f"f{at}": f"n + {at}" for at in range(width)}
    expected = {f"f{at}": 10 + at for at in range(width)}
    assert run([step("map", {"expression": expression})], {"n": 10}, {"n": 10})[0] == [expected] * 2


def test_filters_combine_as_trees() -> None:
    tree = {
        "and": [
            {"field": "status", "operator": "in", "value": ["completed", "failed"]},
            {"or": [{"field": "cost", "operator": "gt", "value": 1}, {"field": "vip", "operator": "exists"}]},
            {"not": {"field": "user.id", "operator": "regex", "value": "^test-"}},
            {"field": "gone", "operator": "exists", "value": False},
            {"field": "$meta.source", "operator": "eq", "value": "test"},
        ]
    }
    keep = {"status": "completed", "cost": 2, "user": {"id": "u1"}}
    others = [
        {**keep, "status": "running"},
        {**keep, "cost": 1},
        {**keep, "user": {"id": "test-1"}},
        {**keep, "gone": None},
    ]
    vip = {**keep, "cost": 0, "vip": None}
    assert run([step("filter", tree)], keep, *others, vip)[0] == [keep, vip]


def test_guard_lets_other_events_pass_in_their_place() -> None:
    guarded = step("map", {"expression": {"n": "n * 10"}}, when="n % 2 == 0")
    assert run([guarded], *[{"n": n} for n in range(4)])[0] == [{"n": 0}, {"n": 1}, {"n": 20}, {"n": 3}]


@pytest.mark.parametrize(
    ("on_error", "outputs", "dead_letters"), [("dlq", 0, 1), ("drop", 0, 0), ("null", 1, 0)]
)
def test_guard_that_fails_follows_on_error(on_error: str, outputs: int, dead_letters: int) -> None:
    guarded = step("map", {"expression": {"n": "0"}}, when="upper(n) == 'A'", onError=on_error)
    found, local = run([guarded], {"n": 5})
    assert found == [{"n": 5}] * outputs
    assert len(local.dead_letters) == dead_letters


def test_split_gives_one_event_per_element_each_with_its_own_id() -> None:
    parts = step("split", {"field": "order.items"})
    made = plan(parts)
    found = transform(made, events({"order": {"items": [1, 2], "x": 1}}, {}), MemoryStore(), 0).outputs
    assert [(event.id, event.payload) for event in found] == [
        ("e0#0", {"order": {"items": 1, "x": 1}}),
        ("e0#1", {"order": {"items": 2, "x": 1}}),
    ]
    _, local = run([parts], {"order": {"items": "text"}})
    assert local.dead_letters[0].message == "`split` needs a list of at most 10,000 items, not a string."


def test_split_counts_an_event_without_parts_as_dropped() -> None:
    parts = step("split", {"field": "items"})
    found, local = run([parts], {"items": []}, {"items": None}, {}, {"items": [1, 2]}, {"items": "text"})
    assert [each["items"] for each in found] == [1, 2]
    (count,) = local.counts
    assert (count.received, count.passed, count.dropped, count.failed) == (5, 2, 3, 1)


def test_sample_keeps_a_share_and_always_the_same_keys() -> None:
    payloads = [{"user": f"u{at}"} for at in range(2_000)]
    sampled = [step("sample", {"rate": 0.25, "key": "user"})]
    kept = run(sampled, *payloads)[0]
    assert 400 < len(kept) < 600
    assert run(sampled, *reversed(payloads))[0] == kept[::-1]
    assert run([step("sample", {"rate": 1})], *payloads)[0] == payloads
    assert run([step("sample", {"rate": 0})], *payloads)[0] == []


def test_dedupe_lets_the_first_of_each_key_pass_and_the_same_event_again() -> None:
    made, store = plan(step("dedupe", {"key": "order", "ttl": 10_000})), MemoryStore()
    first, second, later = events({"order": 1, "t": 0}, {"order": 1, "t": 9_999}, {"order": 1, "t": 10_000})
    for _ in range(2):
        assert transform(made, [first], store, 0).outputs[0].id == "e0"
        outcome = transform(made, [second], store, 0)
        assert outcome.outputs == []
        assert outcome.counts[0].dropped == 1
    assert transform(made, [later], store, 0).outputs[0].id == "e2"
    assert transform(made, [first], store, 0).outputs[0].id == "e0", "a redelivery after the key's time"
    assert len(transform(made, events({}, {}), store, 0).outputs) == 2, "a null key is no key"


TOTALS = step(
    "aggregate",
    {
        "groupBy": ["g"],
        "aggregations": [
            {"field": "n", "function": name}
            for name in ("sum", "min", "max", "first", "last", "stddev", "count")
        ],
    },
)


def test_running_total_does_not_depend_on_order_and_knows_repetitions() -> None:
    made, numbers = plan(TOTALS), [1e16, 1, -1e16, 0.5, None, "no number"]
    every = events(*[{"g": "a", "n": n, "t": at} for at, n in enumerate(numbers)])
    forward, backward = MemoryStore(), MemoryStore()
    transform(made, every, forward, 0)
    for event in reversed(every):
        transform(made, [event], backward, 0)
    one_more = Event({"g": "a", "n": 0}, "one more", "test", time=3)
    last = [transform(made, [one_more], store, 0).outputs[0] for store in (forward, backward)]
    assert last[0].payload == last[1].payload
    assert last[0].id == last[1].id
    assert last[0].payload["values"]["sum_n"] == 1.5
    assert last[0].payload["values"]["first_n"] == 1e16
    assert last[0].payload["values"]["last_n"] == "no number"
    assert last[0].payload["count"] == 7


def test_total_that_fits_no_number_is_null() -> None:
    outputs, _ = run([TOTALS], *[{"g": "a", "n": n} for n in (1.7e308, 1.7e308, -1.7e308)])
    assert [each["values"]["sum_n"] for each in outputs] == [1.7e308, None, 1.7e308]
    assert outputs[-1]["values"]["stddev_n"] is None or outputs[-1]["values"]["stddev_n"] > 1e308


class Stubborn(MemoryStore):
    """Another writer is faster, the first few times."""

    losses = 3

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        if self.losses:
            self.losses -= 1
            return False
        return super().write(key, data, version, expires, due)


def test_running_total_is_added_again_where_another_was_faster() -> None:
    outcome = transform(plan(TOTALS), events({"g": "a", "n": 1}), Stubborn(), 0)
    assert outcome.outputs[0].payload["values"]["sum_n"] == 1


def test_group_must_be_a_simple_value() -> None:
    _, local = run([TOTALS], {"g": {"no": "group"}, "n": 1})
    assert "cannot be a group" in local.dead_letters[0].message


def counted(outcome: Outcome) -> list[tuple[int, int]]:
    return [(count.received, count.passed) for count in outcome.counts]


def test_every_event_is_counted_at_every_step() -> None:
    made = plan(
        step("filter", {"field": "n", "operator": "gt", "value": 0}), step("map", {"expression": {"n": "-n"}})
    )
    assert counted(transform(made, events({"n": 0}, {"n": 1}, {"n": 2}), MemoryStore(), 0)) == [
        (3, 2),
        (2, 2),
    ]


def redelivered(made: Plan, event: Event) -> list[bytes]:
    outputs = transform(made, [event], MemoryStore(), 123).outputs
    return [orjson.dumps([each.id, each.payload]) for each in outputs]


def test_redelivered_event_gives_the_same_output() -> None:
    made = plan(
        step("map", {"expression": {"at": "now()", "day": "formatTime(now(), '%Y-%m-%d')", "m": "$meta"}})
    )
    event = Event({"n": 1}, "e1", "s", "t", 5, 86_400_000)
    assert redelivered(made, event) == redelivered(made, event)
    assert b'"at":86400000,"day":"1970-01-02"' in redelivered(made, event)[0]


def test_only_what_changes_the_state_changes_the_hash() -> None:
    window = {"type": "tumbling", "size": 1_000, "aggregations": [{"function": "count"}]}
    base = definition(step("window", window))
    named = definition(step("window", window, name="by minute"))
    wider = definition(step("window", {**window, "size": 2_000}))
    after_map = definition(step("map", {"expression": {"a": "b"}}), step("window", window))
    assert step_hash(base, 0) == step_hash(named, 0)
    assert len({step_hash(base, 0), step_hash(wider, 0), step_hash(after_map, 1)}) == 3
