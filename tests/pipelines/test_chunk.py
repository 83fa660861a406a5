"""Events that are processed together, as columns, have the same result as when processed alone."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.pipelines.chunk import Chunk, Column, MappedChunk, Values
from millrace.pipelines.event import Event
from millrace.pipelines.outcome import Outcome, StepCount
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import run_step, transform
from tests.pipelines.definitions import plan, run, step

LEAF = st.sampled_from([None, True, False, 0, 1, 1.0, -2.5, 3, "", "text", "x"])
VALUE = LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), LEAF, max_size=2)
PAYLOADS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUE, max_size=3), min_size=1, max_size=12)

PATHS = st.sampled_from(["a", "b", "c", "a.x", "b.y.z", "gone", "$event", "$meta.id", "$meta.time"])
RISKY = st.sampled_from(["upper(a)", "-b", "a + 1", "b * c", "length(c)", "a.x > 0 ? upper(b) : c"])
FIELD = PATHS | RISKY | st.sampled_from([1, None, True, ["a", "-b"], {"x": "c"}, "'text'", "a == b"])
CONDITION: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["a", "b", "c", "a.x", "a[0].x", "b[1]", "$meta.id"]),
        "operator": st.sampled_from(["eq", "neq", "gt", "contains", "exists"]),
        "value": st.sampled_from([True, False, 1, "x", "text"]),
    }
)


def _can_match(condition: dict[str, Any]) -> bool:
    """Return whether a definition may compare them: others are refused when it is written."""
    operator, value = condition["operator"], condition["value"]
    if operator == "exists":
        return value is True
    return operator != "gt" or not isinstance(value, bool)


MORE = st.fixed_dictionaries(
    {},
    optional={
        "when": st.sampled_from(["a == 1", "has(b)", "upper(c) == 'TEXT'", "true", "false"]),
        "onError": st.sampled_from(["dlq", "drop", "null"]),
    },
)
COUNT, SUM, LAST = ({"field": "b", "function": name} for name in ("count", "sum", "last"))
WINDOW = {"type": "tumbling", "size": 100, "aggregations": [COUNT, SUM, LAST]}
CONFIGS: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("filter"), CONDITION.filter(_can_match)),
    st.tuples(
        st.just("map"),
        st.fixed_dictionaries({"expression": st.dictionaries(st.sampled_from("abc"), FIELD, min_size=1)}),
    ),
    st.tuples(st.just("split"), st.just({"field": "a"})),
    st.tuples(st.just("sample"), st.just({"rate": 0.5, "key": "b"})),
    st.tuples(
        st.just("window"),
        st.sampled_from([WINDOW, {**WINDOW, "groupBy": ["a"]}, {**WINDOW, "groupBy": ["a", "c"]}]),
    ),
)
STEPS = st.lists(
    st.builds(lambda kind_config, more: step(*kind_config, **more), CONFIGS, MORE), min_size=1, max_size=4
)


def found(outcome: Outcome) -> bytes:
    """All that an outcome says, apart from the order of dead letters and of rows."""
    rows = [
        (change.step, change.bucket, change.chunk.events[at].id, row)
        for change in outcome.changes
        for at, row in zip(change.members, rows_of(change.content), strict=True)
    ]
    dead_letters = [
        (one.event.id, one.step, one.code, one.message, repr(one.payload)) for one in outcome.dead_letters
    ]
    outputs = [(event.id, event.time, event.payload) for event in outcome.outputs]
    counts = [count.as_json() for count in outcome.counts]
    return orjson.dumps([outputs, counts, sorted(dead_letters), sorted(rows)])


def rows_of(rows: Any) -> list[str]:
    """Each row of a window with all that is kept of it."""
    keys = [rows.table[group] for group in rows.groups]
    return [repr(row) for row in zip(rows.ids, keys, rows.times, rows.names, *rows.columns, strict=True)]


def alone(made: Plan, events: list[Event]) -> Outcome:
    """Each step for one event at a time, on a payload that stands there whole."""
    outcome, store = Outcome([StepCount() for _ in made.steps]), MemoryStore()
    pairs = [(event.payload, event) for event in events]
    for each in made.steps:
        chunks = [run_step(each, Chunk([payload], [event]), outcome, store, 0) for payload, event in pairs]
        pairs = [pair for chunk in chunks for pair in chunk.pairs()]
    outcome.outputs = [event.with_payload(payload) for payload, event in pairs]
    return outcome


@given(STEPS, PAYLOADS)
@settings(max_examples=400, deadline=None)
def test_events_together_become_what_each_becomes_alone(
    steps: list[dict[str, Any]], payloads: list[dict[str, Any]]
) -> None:
    kinds = [each["type"] for each in steps]
    made = plan(*steps[: kinds.index("window") + 1] if "window" in kinds else steps)
    events = [Event(one, f"e{at}", "unit", "test", 40 * at, 40 * at) for at, one in enumerate(payloads)]
    before = orjson.dumps(payloads)
    assert found(transform(made, events, MemoryStore(), 0)) == found(alone(made, events))
    assert orjson.dumps(payloads) == before, "nothing changes what came in"


def watched() -> tuple[MappedChunk, list[str]]:
    """A mapped chunk, and the names of its columns in the order in which they are evaluated."""
    asked: list[str] = []

    def column(name: str) -> Column:
        def values(chunk: Chunk) -> Values:
            asked.append(name)
            return chunk.field((name,))

        return values

    source = Chunk([{"a": {"x": 1}, "b": 2}, {"a": 3}], [Event({}, "e0"), Event({}, "e1")])
    return MappedChunk(source, {name: column(name) for name in "ab"}, {}), asked


def test_mapped_field_is_evaluated_once_and_only_when_it_is_asked_for() -> None:
    chunk, asked = watched()
    assert (chunk.field(("a", "x")), chunk.field(("gone", "x"))) == ([1, None], [None, None])
    assert asked == ["a"]
    assert chunk.payloads == [{"a": {"x": 1}, "b": 2}, {"a": 3, "b": None}]
    assert chunk.where([False, True]).payloads == [{"a": 3, "b": None}]
    assert asked == ["a", "b"]


@pytest.mark.parametrize("guard", ["n % 2 == 0", "n < 3", "true"])
def test_guarded_window_keeps_its_events_together(guard: str) -> None:
    window = {"type": "tumbling", "size": 1_000, "aggregations": [{"function": "count"}]}
    made = plan(step("window", window, when=guard))
    events = [Event({"n": n}, f"e{n}") for n in range(6)]
    outcome = transform(made, events, MemoryStore(), 0)
    assert len(outcome.changes) == 1
    assert outcome.counts[0].held + len(outcome.outputs) == 6


def test_error_is_that_of_the_step_that_made_it_even_if_no_later_step_asks_for_the_field() -> None:
    mapped = step("map", {"expression": {"bad": "upper(n)", "g": "g"}})
    count = {"type": "tumbling", "size": 1_000, "groupBy": ["g"], "aggregations": [{"function": "count"}]}
    outputs, local = run([mapped, step("window", count)], {"n": "a", "g": 1}, {"n": 5, "g": 1})
    assert [(each["group"], each["count"]) for each in outputs] == [({"g": 1}, 1)]
    assert [(dead_letter.step, dead_letter.payload) for dead_letter in local.dead_letters] == [
        (0, {"n": 5, "g": 1})
    ]
