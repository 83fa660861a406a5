"""An event cannot exceed the limits of size and cost, and its neighbors are not affected."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.limits import EXPANDED_BYTES, PASS_WORK, SINGLE_WORK
from millrace.pipelines.mapping import Mapping
from millrace.pipelines.outcome import FailedEvent
from millrace.pipelines.sizes import expanded_size, largest
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import transform_all
from millrace.pipelines.work import TooMuchWork, Unfinished, Work
from tests.pipelines.definitions import events, plan, run, step

SMALL = {"n": 1, "text": "x"}


def doubled(times: int) -> list[dict[str, Any]]:
    """Steps each of which refers to the whole event so many times."""
    return [step("map", {"expression": {f"f{at}": "$event" for at in range(times)}})]


def code_of(dead_letters: list[FailedEvent]) -> list[str]:
    return [dead_letter.code for dead_letter in dead_letters]


@pytest.mark.parametrize(("steps", "times"), [(2, 150), (9, 8), (20, 2)])
def test_event_that_refers_to_itself_again_and_again_becomes_a_dead_letter(steps: int, times: int) -> None:
    bomb = {"text": "x" * 5_000}
    outputs, local = run(doubled(times) * steps, SMALL, bomb, SMALL)
    assert code_of(local.dead_letters).count("too_large") >= 1
    assert any(dead_letter.payload == bomb or dead_letter.step > 0 for dead_letter in local.dead_letters)
    assert all(expanded_size(output) <= EXPANDED_BYTES for output in outputs)
    assert all(expanded_size(dead_letter.payload) <= EXPANDED_BYTES for dead_letter in local.dead_letters)


def test_neighbors_of_an_event_that_is_too_large_go_on_in_their_order() -> None:
    payloads = [{"n": n, "text": "x"} for n in range(50)]
    payloads.insert(20, {"n": -1, "text": "x" * 200_000})
    step_ = step("map", {"expression": {"n": "n", "copies": ["text"] * 8}})
    outputs, local = run([step_], *payloads)
    assert [output["n"] for output in outputs] == list(range(50))
    (dead_letter,) = local.dead_letters
    assert (dead_letter.code, dead_letter.step, dead_letter.payload["n"]) == ("too_large", 0, -1)
    assert "1,000,000 are allowed" in dead_letter.message


def test_map_of_distinct_fields_takes_an_event_of_any_size_that_a_message_holds() -> None:
    large = {"a": "x" * 120_000, "b": {"c": "y" * 120_000, "d": 1}}
    outputs, local = run([step("map", {"expression": {"a": "a", "c": "b.c", "d": "b.d"}})], large)
    assert (len(outputs), local.dead_letters) == (1, [])


def test_onerror_drop_leaves_out_what_is_too_large() -> None:
    outputs, local = run([{**doubled(100)[0], "onError": "drop"}], {"text": "x" * 50_000})
    assert (outputs, local.dead_letters, local.counts[0].failed) == ([], [], 1)


def shared(depth: int) -> Any:
    """A value of 2 ** depth leaves and `depth` lists."""
    value: Any = ["leaf"]
    for _ in range(depth):
        value = [value, value]
    return value


def test_size_of_a_shared_value_is_computed_and_not_counted_out() -> None:
    assert expanded_size(shared(90)) > 2**90
    assert expanded_size({"a": "é" * 10, "b": [1, None]}) >= len(
        orjson.dumps({"a": "é" * 10, "b": [1, None]})
    )


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
)
PATHS = st.sampled_from(["$event", "a", "b", "a.b", "b.c", "a.b.c", "c"])
EXPRESSIONS = PATHS | st.sampled_from(
    [
        "upper('x')",
        "concat(toString(a), 'é')",
        "[a, [b, b]]",
        "a ?? $event",
        "a == b",
        "has(a)",
        "'text'",
        "$meta",
        "1",
    ]
)
MAPS = st.dictionaries(
    st.text("fgh", min_size=1, max_size=3),
    EXPRESSIONS | st.lists(EXPRESSIONS, max_size=3),
    min_size=1,
    max_size=6,
)


def escaped(value: Any) -> int:
    """Bytes that JSON needs for characters that it cannot write as they are."""
    written = orjson.dumps(value)
    return written.count(b"\\") * 5


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_size_is_no_less_than_the_json_and_not_much_more(value: Any) -> None:
    written = len(orjson.dumps(value))
    assert written - escaped(value) <= expanded_size(value) <= 24 * (written + 2)
    assert largest([value, None]) >= expanded_size(value)


@settings(max_examples=150, deadline=None)
@given(MAPS, st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))
def test_bound_of_a_map_is_never_below_what_it_makes(fields: dict[str, Any], payload: dict[str, Any]) -> None:
    mapping = Mapping(fields)
    mapped = mapping.over(Chunk([payload], [Event(payload, "e1", "source", "type")]))
    assert mapping.bound(mapped, expanded_size(payload)) >= expanded_size(mapped.payloads[0])


COSTLY = {
    "deep comparison": (
        {"s": "a == b", "t": "b == a"},
        {"a": list(range(9_000)), "b": list(range(9_000))},
        60,
    ),
    "nested upper": ({"s": "upper(" * 25 + "a" + ")" * 25}, {"a": "x" * 200_000}, 10),
    "a slow pattern": ({"s": "matches(a, '(.{0,100}a){8}q')"}, {"a": "abxy01=" * 30_000}, 1),
    "a pattern of the event's own": ({"s": "matches(a, b)"}, {"a": "x", "b": "(?:a{0,30}){30}b"}, 200),
    "membership": ({"s": "a in b"}, {"a": -1, "b": list(range(9_900))}, 150),
    "text of lists": ({"s": "length(toString([a, a, a, a]))"}, {"a": ["x"] * 15_000}, 60),
}


@pytest.mark.parametrize(("expression", "payload", "fields"), COSTLY.values(), ids=COSTLY)
def test_event_that_costs_too_much_becomes_a_dead_letter(
    expression: dict[str, str], payload: dict[str, Any], fields: int
) -> None:
    """Each operation alone is allowed; their sum is not."""
    many = {f"{name}{at}": source for at in range(fields) for name, source in expression.items()}
    outputs, local = run([step("map", {"expression": many})], SMALL | {"b": "x"}, payload)
    assert len(outputs) == 1
    assert code_of(local.dead_letters) == ["too_much_work"]
    shorter = {
        name: value[:300] if isinstance(value, list | str) else value for name, value in payload.items()
    }
    assert len(run([step("map", {"expression": expression})], shorter)[0]) == 1


def test_too_much_work_is_no_null() -> None:
    many = {f"s{at}": "a == b" for at in range(120)}
    payload = {"a": list(range(9_000)), "b": list(range(9_000))}
    _, local = run([step("map", {"expression": many}, onError="null")], payload)
    assert code_of(local.dead_letters) == ["too_much_work"]
    guard = " && ".join(["a == b"] * 40)
    _, local = run([step("map", {"expression": {"x": "1"}}, onError="null", when=guard)], payload)
    assert code_of(local.dead_letters) == ["too_much_work"]


def test_filter_that_costs_too_much_fails_for_its_event_only() -> None:
    value = list(range(9_000))
    tree = {"and": [{"field": "a", "operator": "eq", "value": value} for _ in range(60)]}
    outputs, local = run([step("filter", tree)], {"a": value}, {"a": 1}, {"a": [1]})
    assert outputs == []
    assert code_of(local.dead_letters) == ["too_much_work"]
    assert (local.counts[0].dropped, local.counts[0].failed) == (2, 1)


def test_splits_multiply_to_no_more_parts_than_an_event_may_become() -> None:
    payload = {"a": list(range(200)), "b": list(range(200))}
    outputs, local = run(
        [step("split", {"field": "a"}), step("split", {"field": "b"})], payload, {"a": [1], "b": [2]}
    )
    assert outputs == [{"a": 1, "b": 2}]
    assert set(code_of(local.dead_letters)) == {"too_large"}


def test_split_repeats_what_stands_beside_the_list_only_so_often() -> None:
    outputs, local = run([step("split", {"field": "a"})], {"a": [1] * 5_000, "rest": "x" * 100_000})
    assert outputs == []
    assert code_of(local.dead_letters) == ["too_much_work"]
    assert len(run([step("split", {"field": "a"})], {"a": [1] * 5_000, "rest": "x" * 100})[0]) == 5_000


def test_constants_are_not_folded_into_something_large() -> None:
    large = compile_expression("replace('" + "a" * 60 + "', 'a', '" + "b" * 100 + "')")
    assert not large.is_constant
    assert large.evaluate({}, Event({}, "e1")) == "b" * 6_000
    assert compile_expression("upper('ab')").is_constant


def heavy(count: int) -> tuple[dict[str, Any], list[Event]]:
    """Events each of which may be, and that are together more than a pass may do."""
    payload = {"a": list(range(2_000)), "b": list(range(2_000))}
    expression = {"n": "n"} | {f"s{at}": "a == b" for at in range(20)}
    return step("map", {"expression": expression}), events(*[payload | {"n": n} for n in range(count)])


def test_events_that_are_too_much_together_are_processed_in_portions() -> None:
    heavy_step, pushed = heavy(40)
    assert 40 * 20 * 2 * 2_000 > PASS_WORK > SINGLE_WORK > 20 * 2 * 2_000
    outcomes = list(transform_all(plan(heavy_step), pushed, MemoryStore(), 0))
    assert len(outcomes) > 1
    assert [event.payload["n"] for outcome in outcomes for event in outcome.outputs] == list(range(40))
    assert sum(outcome.events for outcome in outcomes) == 40
    assert not any(outcome.dead_letters for outcome in outcomes)


@given(st.integers(1, 40), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_exhausted_budget_reports_the_rest_and_repeats_nothing(count: int, ticks: int) -> None:
    """The clock stands for work: it moves with each look at it."""
    pushed = events(*[{"n": n} for n in range(count)])
    now = iter(range(10_000))

    def budget(size: int) -> Work:
        return Work(size, ends=ticks, clock=lambda: next(now))

    done: list[int] = []
    left: list[int] = []
    steps = [step("map", {"expression": {"n": "n + 0"}}) for _ in range(3)]
    try:
        for outcome in transform_all(plan(*steps), pushed, MemoryStore(), 0, budget=budget):
            done += [event.payload["n"] for event in outcome.outputs]
    except Unfinished as error:
        left = [event.payload["n"] for event in error.events]
    assert done + left == list(range(count))


def test_single_event_is_never_left() -> None:
    budget = lambda size: Work(size, ends=-1.0)  # noqa: E731
    (outcome,) = transform_all(plan(), events(SMALL), MemoryStore(), 0, budget=budget)
    assert len(outcome.outputs) == 1


def test_work_is_counted_for_each_event_by_itself() -> None:
    work = Work(2)
    work.event()
    with pytest.raises(TooMuchWork):
        work.spend(500_001)
    work.event()
    work.spend(500_000)
