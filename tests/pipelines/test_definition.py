"""Definitions: everything in the documentation is valid, and errors are reported with their path."""

from typing import Any

import pytest

from millrace.pipelines.definitions.definition import InvalidDefinition, json_schema, parse_definition
from tests.pipelines.definitions import definition_json, step

SOURCES: list[dict[str, Any]] = [
    {"type": "agent_execution", "agentIds": ["agent-123", "agent-456"], "statuses": ["completed"]},
    {"type": "webhook", "verify": "github", "secret": "${secrets.GITHUB}"},
    {"type": "webhook"},
    {"type": "database_change", "table": "orders", "operations": ["insert"]},
    {"type": "api_event", "paths": ["/api/*"], "methods": ["POST"], "statuses": [500]},
    {"type": "schedule", "expression": "rate(5 minutes)", "timezone": "Europe/Berlin", "payload": {"a": 1}},
    {"type": "schedule", "expression": "cron(0 9 * * ? *)"},
]
WEBHOOK = {
    "url": "https://api.example.com/events",
    "method": "POST",
    "headers": {"Authorization": "Bearer ${secrets.API_KEY}"},
    "retryPolicy": {"maxRetries": 3, "backoffMs": 1000},
}
DESTINATIONS: list[dict[str, Any]] = [
    step("webhook", WEBHOOK),
    step(
        "database",
        {"table": "agent_metrics", "operation": "upsert", "conflictFields": ["agent_id", "date"]},
    ),
    step("analytics", {"provider": "segment", "writeKey": "${secrets.SEGMENT_KEY}"}),
    step("analytics", {"provider": "mixpanel", "projectToken": "${secrets.MIXPANEL_TOKEN}"}),
    step("analytics", {"provider": "amplitude", "apiKey": "k", "region": "eu", "event": "name"}),
    step("analytics", {"provider": "custom", "url": "https://x.example", "body": "{{toString($event)}}"}),
    step(
        "notification",
        {
            "channel": "slack",
            "webhook": "${secrets.SLACK_WEBHOOK}",
            "template": "Agent {{agentName}} completed with {{tokens}} tokens",
        },
        when="cost > 1",
    ),
    step("notification", {"channel": "teams", "webhook": "https://x.example", "template": "t"}),
    step(
        "notification",
        {"channel": "sns", "topicArn": "arn:aws:sns:eu-west-1:123456789012:alerts", "template": "t"},
    ),
]


@pytest.mark.parametrize(
    ("part", "path", "expected"),
    [
        ({"source": {"type": "kafka"}}, "source.type", "`kafka` is not known here; allowed are"),
        ({"source": {}}, "source.type", "required"),
        ({"source": None}, "source", "a JSON object"),
        ({"source": {"type": "schedule", "expression": "daily"}}, "source.expression", "rate(5 minutes)"),
        (
            {"destination": {"type": "webhook", "config": {"url": "ftp://a"}}},
            "destination.config.url",
            "https",
        ),
        ({"name": 7}, "name", "a text"),
        ({"transforms": {}}, "transforms", "a list"),
    ],
)
def test_each_part_at_fault_is_named_with_what_is_allowed(
    part: dict[str, Any], path: str, expected: str
) -> None:
    ((found, message),) = problems(definition_json() | part)
    assert found == path
    assert expected in message


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source["type"])
def test_every_source_is_valid(source: dict[str, Any]) -> None:
    assert parse_definition(definition_json(source=source)).source.type == source["type"]


@pytest.mark.parametrize("destination", DESTINATIONS, ids=lambda each: each["type"])
def test_every_destination_is_valid(destination: dict[str, Any]) -> None:
    assert parse_definition(definition_json(destination=destination)).targets[0].type == destination["type"]


def test_names_of_all_secrets_are_known() -> None:
    definition = parse_definition(
        definition_json(source=SOURCES[1], destination=None, destinations=DESTINATIONS)
    )
    assert definition.secrets == {"API_KEY", "GITHUB", "MIXPANEL_TOKEN", "SEGMENT_KEY", "SLACK_WEBHOOK"}


def test_definition_survives_its_own_json() -> None:
    definition = parse_definition(
        definition_json(step("filter", {"and": [{"field": "a", "operator": "exists"}]}))
    )
    assert parse_definition(definition.model_dump(mode="json", by_alias=True)) == definition


def problems(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinition) as caught:
        parse_definition(data)
    assert caught.value.status == 422
    return [(each["path"], each["message"]) for each in caught.value.details["problems"]]


def window(**config: Any) -> dict[str, Any]:
    return step("window", {"aggregations": [{"field": "*", "function": "count"}], **config})


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    (step("map", {"expression": {"a": {"b": ["1 +"]}}}), "transforms.0.config.expression.a.b.0", "column 4"),
    (
        step("map", {"expression": {"a": "concat('${secrets.X}')"}}),
        "transforms.0.config.expression.a",
        "Secrets",
    ),
    (step("map", {"expression": {"a": 1}, "x": 1}), "transforms.0.config.x", "not known here"),
    (step("filter", {"field": "a"}), "transforms.0.config.operator", "required"),
    (
        step("filter", {"or": [{"not": {"field": "a", "operator": "regex", "value": "("}}]}),
        "transforms.0.config.or.0.not",
        "regular expression",
    ),
    (step("filter", {"field": "a", "operator": "in", "value": 1}), "transforms.0.config", "list"),
    (step("filter", {"and": []}), "transforms.0.config.and", "at least 1"),
    (step("filter", {"field": "a", "operator": "is"}), "transforms.0.config.operator", "Allowed are 'eq'"),
    (step("filter", {"field": "a.", "operator": "exists"}), "transforms.0.config.field", "names with dots"),
    ({"type": "map", "config": []}, "transforms.0.config", "a JSON object"),
    (window(type="tumbling", size="1m"), "transforms.0.config.size", "a whole number"),
    (step("nope", {}), "transforms.0.type", "allowed are 'filter', 'map'"),
    (step("filter", {"field": "a", "operator": "exists"}, when="a ="), "transforms.0.when", "column 3"),
    (window(type="tumbling"), "transforms.0.config", "takes size"),
    (window(type="sliding", size=1000, slide=2000), "transforms.0.config", "must not exceed"),
    (window(type="sliding", size=86_400_000, slide=1000), "transforms.0.config", "more than 64"),
    (window(type="sliding", size=100_003, slide=100_002), "transforms.0.config", "no divisor"),
    (window(type="session", gap=1000, size=1000), "transforms.0.config", "takes gap"),
    (step("window", {"type": "tumbling", "size": 1000}), "", "needs an `aggregate`"),
    (
        step("aggregate", {"aggregations": [{"field": "a", "function": "p95"}]}),
        "",
        "unbounded memory",
    ),
    (
        step("aggregate", {"aggregations": [{"function": "count"}, {"function": "count"}]}),
        "transforms.0.config",
        "alias",
    ),
    (
        step("aggregate", {"aggregations": [{"function": "sum"}]}),
        "transforms.0.config.aggregations.0",
        "field",
    ),
    (step("batch", {"size": 0, "timeout": 5000}), "transforms.0.config.size", "greater than"),
]


@pytest.mark.parametrize(
    ("transform", "path", "words"), MISTAKES, ids=[path + words for _, path, words in MISTAKES]
)
def test_mistake_is_named_by_its_place(transform: dict[str, Any], path: str, words: str) -> None:
    found = problems(definition_json(transform))
    assert [each for each in found if each[0] == path and words in each[1]], found


def test_invalid_expression_tells_line_and_column() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        parse_definition(definition_json(step("map", {"expression": {"a": "1 +\n +"}})))
    (problem,) = caught.value.details["problems"]
    assert (problem["line"], problem["column"]) == (2, 2)


def test_unknown_fields_and_missing_destinations_are_named() -> None:
    assert problems(definition_json(nope=1)) == [("nope", "This field is not known here.")]
    assert "destination" in problems(definition_json(destination=None))[0][1]


def test_revised_result_cannot_be_counted_twice() -> None:
    twice = [window(type="tumbling", size=1000), window(type="tumbling", size=9000)]
    assert "second pipeline" in problems(definition_json(*twice))[0][1]


@pytest.mark.parametrize("data", [None, [], "x", 1, {}])
def test_invalid_definition_is_refused(data: Any) -> None:
    assert problems(data)


def test_filter_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {"field": "a", "operator": "exists"}
    for _ in range(2_000):
        deep = {"not": deep}
    assert problems(definition_json(step("filter", deep)))


def test_json_schema_names_every_part() -> None:
    names = json_schema()["$defs"]
    assert {"FilterStep", "MapStep", "WindowConfig", "SegmentConfig", "ScheduleSource"} <= names.keys()
    assert "groupBy" in names["AggregateConfig"]["properties"]
