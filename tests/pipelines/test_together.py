"""A batch before a destination: its items are sent together, not as one event that the destination cannot
read."""

from typing import Any

import pytest

from millrace.pipelines.definitions.definition import InvalidDefinition, parse_definition
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.fields_read import template_fields
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.plan import compile_plan
from millrace.pipelines.together import items_of, sends_items
from tests.pipelines.definitions import definition_json, step

BATCH = step("batch", {"size": 100, "timeout": 5000})
SEGMENT = step("analytics", {"provider": "segment", "writeKey": "k"})
TABLE = step("database", {"table": "t"})


def slack(template: str) -> dict[str, Any]:
    return step("notification", {"channel": "slack", "webhook": "https://x.example", "template": template})


def ends(transforms: list[dict[str, Any]], destination: dict[str, Any]) -> bool:
    definition = parse_definition(definition_json(*transforms, destination=destination))
    return sends_items(definition.transforms, definition.targets[0])


@pytest.mark.parametrize(
    ("transforms", "destination", "expected"),
    [
        ([BATCH], SEGMENT, True),
        ([BATCH], TABLE, True),
        ([BATCH, step("filter", {"field": "count", "operator": "gt", "value": 1})], TABLE, True),
        ([BATCH, step("map", {"expression": {"n": "count"}})], TABLE, False),
        ([BATCH, step("split", {"field": "items"})], TABLE, False),
        ([], SEGMENT, False),
        ([BATCH], step("webhook", {"url": "https://x.example"}), False),
        ([BATCH], step("analytics", {"provider": "custom", "url": "https://x.example"}), False),
        ([BATCH], slack("Agent {{agentName}} completed with {{tokens}} tokens"), True),
        ([BATCH], slack("{{count}} runs, the first by {{items[0].agentName}}"), False),
        ([BATCH], slack("{{length($event.items)}}"), False),
        ([BATCH], slack("Something came"), False),
    ],
)
def test_batch_before_a_destination_means_together(
    transforms: list[dict[str, Any]], destination: dict[str, Any], expected: bool
) -> None:
    assert ends(transforms, destination) is expected


def test_items_of_a_batch_keep_their_ids_and_times() -> None:
    events = [Event({"n": n}, f"e{n}", "api", "sold", 1_000 + n, 2_000, "p") for n in range(3)]
    local = LocalRun(compile_plan(parse_definition(definition_json(BATCH))))
    outputs = [*local.feed(events), *local.finish()]
    (batch,) = outputs
    assert batch.payload["count"] == 3
    items = list(items_of(batch))
    assert [(one.id, one.time, one.type, one.payload) for one in items] == [
        (f"e{n}", 1_000 + n, "sold", {"n": n}) for n in range(3)
    ]


def test_recorded_batch_gives_items_the_same_ids_each_time() -> None:
    batch = Event({"id": "b", "items": [{"n": 1}, {"n": 2}], "count": 2}, "b", "batch", "batch", 7)
    assert [one.id for one in items_of(batch)] == [one.id for one in items_of(batch)] == ["b-0", "b-1"]


def test_event_that_passed_the_batch_by_is_sent_as_it_is() -> None:
    event = Event({"items": [1]}, "e", "api", "item")
    assert list(items_of(event)) == [event]


def test_template_that_mixes_batch_and_item_is_refused() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        parse_definition(definition_json(BATCH, destination=slack("{{count}} runs of {{agentName}}")))
    (problem,) = caught.value.details["problems"]
    assert problem["path"] == "destination.config.template"
    assert "{{items[0].agentName}}" in problem["message"]


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("a {{b.c}} {{upper(d ?? e[f])}}", {"b", "d", "e", "f"}),
        ('{{$event["a-b"]}} {{$meta.id}}', {"a-b"}),
        ("{{toString($event)}}", {"$event"}),
    ],
)
def test_fields_that_a_template_reads(template: str, fields: set[str]) -> None:
    assert template_fields(template) == fields
