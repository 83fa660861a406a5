"""Events from which steps read only some fields are treated like completely parsed events."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.event import Event, UnreadEvent
from millrace.pipelines.outcome import Outcome
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.shapes import needed_fields
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import transform

NAMES = ["a", "b", "c", "first-name", "é", "$meta"]
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "2026-01-02T03:04:05Z"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)
PAYLOADS = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), min_size=1, max_size=6)
COUNTS = [{"function": "count", "field": "*"}, {"function": "last", "field": "c"}]
WINDOW = {"type": "tumbling", "size": 60_000, "late": "dlq"}
BEFORE: list[dict[str, Any]] = [
    {"type": "filter", "config": {"field": "a", "operator": "neq", "value": 1}},
    {"type": "filter", "config": {"field": "b", "operator": "exists"}},
    {"type": "filter", "config": {"field": "$meta.type", "operator": "eq", "value": "item"}},
    {"type": "filter", "config": {"or": [{"field": "b[0]", "operator": "in", "value": [1]}, {"not": {
        "field": "a.b", "operator": "contains", "value": "a"}}]}},
    {"type": "filter", "config": {"field": "c", "operator": "exists"}, "when": "has(b) || a > 0"},
    {"type": "sample", "config": {"rate": 0.5, "key": "b"}},
    {"type": "dedupe", "config": {"key": "concat(a, é)", "ttl": 60_000}},
    {"type": "split", "config": {"field": "c"}},
]  # fmt: skip
LAST: list[list[dict[str, Any]]] = [
    [],
    [{"type": "map", "config": {"expression": {"x": "a", "y": "b.c", "z": '$event["first-name"]'}}}],
    [{"type": "map", "config": {"expression": {"x": "upper(a)", "y": "[b, c]"}}}],
    [{"type": "map", "config": {"expression": {"x": "upper(a)"}}, "onError": "null"}],
    [{"type": "map", "config": {"expression": {"x": "$event"}}}],
    [{"type": "map", "config": {"expression": {"x": "a"}}, "when": "has(b)"}],
    [{"type": "map", "config": {"expression": {"x": "has(a.b) ? c : $meta.id"}}}],
    [{"type": "window", "config": WINDOW | {"groupBy": ["a"], "aggregations": COUNTS}}],
    [{"type": "window", "config": WINDOW | {"timeField": "b", "groupBy": ["a.b"], "aggregations": COUNTS}}],
    [
        {"type": "window", "config": WINDOW},
        {"type": "aggregate", "config": {"groupBy": ["é"], "aggregations": COUNTS}},
    ],
    [{"type": "aggregate", "config": {"groupBy": ["a"], "aggregations": COUNTS}}],
    [{"type": "batch", "config": {"size": 2, "timeout": 60_000}}],
]
AT = 1_790_000_000_000


def plan_of(*steps: dict[str, Any]) -> Plan:
    destination = {"type": "webhook", "config": {"url": "https://api.example.com"}}
    head = {"name": "test", "source": {"type": "agent_execution"}, "destination": destination}
    return compile_plan(parse_definition(head | {"transforms": list(steps)}))


def events_of(payloads: list[dict[str, Any]], unread: bool) -> list[Event]:
    """Every other one is ten days old, so that windows find it late."""
    events: list[Event] = []
    for at, payload in enumerate(payloads):
        given: Any = Raw(orjson.dumps(payload)) if unread else payload
        time = AT - at % 2 * 864_000_000
        events.append((UnreadEvent if unread else Event)(given, f"e{at}", "api", "item", time, AT))
    return events


def content(outcome: Outcome) -> Any:
    """All of an outcome."""
    return (
        [(event.meta(), event.payload) for event in outcome.outputs],
        [dead_letter.as_json() for dead_letter in outcome.dead_letters],
        [count.as_json() for count in outcome.counts],
        [
            (change.step, change.bucket, [(event.id, event.payload) for event in change.of_members()])
            for change in outcome.changes
        ],
    )


@given(PAYLOADS, st.lists(st.sampled_from(BEFORE), max_size=2), st.sampled_from(LAST))
def test_outcome_is_the_same_whether_events_were_read_or_not(
    payloads: list[dict[str, Any]], before: list[dict[str, Any]], last: list[dict[str, Any]]
) -> None:
    plan = plan_of(*before, *last)
    read, unread = (
        transform(plan, events_of(payloads, unread), MemoryStore(), AT) for unread in (False, True)
    )
    assert content(unread) == content(read)


@pytest.mark.parametrize(
    ("steps", "fields"),
    [
        ((BEFORE[0], LAST[1][0]), {"a", "b", "first-name"}),
        ((BEFORE[2], BEFORE[4], *LAST[7]), {"c", "b", "a", "*"}),
        (LAST[9], {"é", "c", "*"}),
        ((BEFORE[0],), None),
        ((LAST[4][0],), None),
        ((LAST[5][0],), None),
        ((BEFORE[7], LAST[1][0]), None),
        ((LAST[10][0],), None),
        ((LAST[11][0],), None),
    ],
)
def test_steps_get_the_fields_that_they_name_where_new_events_are_made_of_them(
    steps: tuple[dict[str, Any], ...], fields: set[str] | None
) -> None:
    plan = plan_of(*steps)
    assert needed_fields(plan.definition) == fields
    payload = {name: 1 for name in NAMES}
    (given,) = plan.payloads(events_of([payload], unread=True))
    is_whole = fields is None or "é" in fields
    assert given == {name: 1 for name in NAMES if is_whole or name in (fields or ())}


@pytest.mark.parametrize(
    "step",
    [
        {"type": "filter", "config": {"field": "straße.x", "operator": "exists"}},
        {"type": "filter", "config": {"field": "a", "operator": "exists"}, "when": "!has(straße.x)"},
        {"type": "map", "config": {"expression": {"a": "straße.x > 0 ? a : null"}}},
    ],
)
def test_names_in_any_script_are_read(step: dict[str, Any]) -> None:
    # A text that was ever encoded as UTF-8 remembers it, so that these names must be new.
    plan = plan_of(orjson.loads(orjson.dumps(step)), LAST[1][0])
    event: Any = UnreadEvent(Raw(b'{"a": 1, "stra\xc3\x9fe": {"x": 2}}'), "e", "api", "item", AT, AT)
    (output,) = transform(plan, [event], MemoryStore(), AT).outputs
    assert output.payload["x"] == 1


def test_events_that_were_read_and_others_go_through_the_steps_together() -> None:
    plan = plan_of(*LAST[1])
    events = [*events_of([{"a": 1}], unread=True), *events_of([{"a": 2}], unread=False)]
    outcome = transform(plan, events, MemoryStore(), AT)
    assert [event.payload["x"] for event in outcome.outputs] == [1, 2]
