"""The fields of events between the steps of a definition."""

from typing import Any

import pytest

from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.shapes import output_shape, unknown_fields
from tests.pipelines.definitions import definition_json, step

MAP = step("map", {"expression": {"agent": "agentId", "cost": "cost"}})
BATCH = step("batch", {"size": 10, "timeout": 1000})
WINDOW = step(
    "window",
    {"type": "tumbling", "size": 1000, "aggregations": [{"field": "cost", "function": "sum"}]},
)
SLACK = {"channel": "slack", "webhook": "https://x.example"}


@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        ([step("filter", {"field": "anything", "operator": "exists"})], []),
        (
            [MAP, step("filter", {"field": "status", "operator": "exists"})],
            [("transforms.1.config.field", "status")],
        ),
        ([MAP, step("filter", {"field": "cost", "operator": "gt", "value": 1})], []),
        (
            [MAP, step("filter", {"or": [{"not": {"field": "a.b", "operator": "exists"}}]})],
            [("transforms.1.config.or.0.not.field", "a")],
        ),
        (
            [MAP, step("map", {"expression": {"x": {"y": ["upper(name)", "cost"]}}})],
            [("transforms.1.config.expression.x", "name")],
        ),
        ([MAP, step("dedupe", {"key": "runId"})], [("transforms.1.config.key", "runId")]),
        ([MAP, step("split", {"field": "items"})], [("transforms.1.config.field", "items")]),
        (
            [
                MAP,
                step(
                    "aggregate", {"groupBy": ["team"], "aggregations": [{"field": "cost", "function": "sum"}]}
                ),
            ],
            [("transforms.1.config.groupBy.0", "team")],
        ),
        (
            [WINDOW, step("map", {"expression": {"total": "values.sum_cost", "c": "cost"}})],
            [("transforms.1.config.expression.c", "cost")],
        ),
        (
            [BATCH, step("filter", {"field": "status", "operator": "exists"})],
            [("transforms.1.config.field", "status")],
        ),
        ([BATCH, step("aggregate", {"aggregations": [{"field": "cost", "function": "sum"}]})], []),
        ([MAP | {"when": "a == 1"}, step("filter", {"field": "status", "operator": "exists"})], []),
    ],
)
def test_field_that_no_event_can_have_is_found(
    transforms: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert list(unknown_fields(parse_definition(definition_json(*transforms)))) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{agent}} {{$meta.id}} {{length(toString($event))}}", []),
        ("{{agentName}}", [("destination.config.template", "agentName")]),
    ],
)
def test_template_that_reads_what_is_not_there_is_found(template: str, expected: list[Any]) -> None:
    destination = step("notification", SLACK | {"template": template})
    definition = parse_definition(definition_json(MAP, destination=destination))
    assert list(unknown_fields(definition)) == expected
    assert output_shape(definition) == frozenset({"agent", "cost"})


def test_items_of_a_batch_are_read_by_their_own_fields() -> None:
    destination = step("notification", SLACK | {"template": "{{agentName}}"}, when="cost > 1")
    definition = parse_definition(definition_json(BATCH, destination=destination))
    assert list(unknown_fields(definition)) == [("destination.when", "cost")]
