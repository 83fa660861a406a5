"""Mistakes that used to be accepted and failed later, or were never noticed."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.pipelines.definitions.definition import InvalidDefinition, parse_definition, stored_definition
from millrace.pipelines.definitions.schedules import check_schedule
from millrace.pipelines.expressions.fields import parse_field
from tests.pipelines.definitions import definition_json, run, step

WEBHOOK = {"url": "https://api.example.com/events"}
SEGMENT = {"provider": "segment", "writeKey": "k"}
SLACK = {"channel": "slack", "webhook": "https://hooks.slack.com/x", "template": "t"}
TABLE = {"table": "t", "operation": "upsert", "conflictFields": ["id"]}


def problems(**parts: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinition) as caught:
        parse_definition(definition_json() | parts)
    return [(each["path"], each["message"]) for each in caught.value.details["problems"]]


def schedule(expression: str, **more: Any) -> dict[str, Any]:
    return {"type": "schedule", "expression": expression, **more}


SOURCES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "agent_execution", "statuses": ["bananas"]}, "source.statuses.0", "running, completed"),
    ({"type": "api_event", "methods": ["FETCH"]}, "source.methods.0", "use GET"),
    ({"type": "api_event", "paths": ["api/agents"]}, "source.paths.0", "must begin with `/`"),
    ({"type": "api_event", "paths": ["/api/*/x"]}, "source.paths.0", "at its end"),
    (schedule("cron(0 9 * * *)"), "source.expression", "six fields"),
    (schedule("cron(0 9 * * * *)"), "source.expression", "must be `?`"),
    (schedule("cron(0 9 ? * ? *)"), "source.expression", "must be `?`"),
    (schedule("cron(0 24 * * ? *)"), "source.expression", "hours (0 to 23)"),
    (schedule("cron(0 9 ? * MONDAY *)"), "source.expression", "day of week"),
    (schedule("cron(0 9 30 2 ? *)"), "source.expression", "has no day 30"),
    (schedule("rate(5 fortnights)"), "source.expression", "minutes, hours or days"),
    (schedule("rate(1 minutes)"), "source.expression", "rate(1 minute)"),
    (schedule("rate(5 minute)"), "source.expression", "rate(5 minutes)"),
    (schedule("rate(0 minutes)"), "source.expression", "positive"),
    (schedule("at(2027-13-15T08:00:00)"), "source.expression", "without a zone"),
    (schedule("at(2027-01-15T08:00:00Z)"), "source.expression", "without a zone"),
    (schedule("rate(1 hour)", timezone="Mars/Olympus"), "source.timezone", "not a time zone"),
    (schedule("rate(1 hour)", payload={"a": ["${secrets.A}"]}), "source.payload", "not in"),
    ({"type": "webhook", "verify": "standard", "secret": "no base64!"}, "source.secret", "must be base64"),
    ({"type": "webhook", "verify": "github", "secret": "${secret.X}"}, "source.secret", "secrets.NAME"),
]


@pytest.mark.parametrize(("source", "path", "words"), SOURCES, ids=[str(each) for each, *_ in SOURCES])
def test_source_mistakes_are_named_by_their_path(source: dict[str, Any], path: str, words: str) -> None:
    ((found, message),) = problems(source=source)
    assert found == path
    assert words in message


DESTINATIONS: list[tuple[str, dict[str, Any], str, str]] = [
    ("webhook", WEBHOOK | {"url": "https://x.example/${secret.X}"}, "url", "${secrets.NAME}"),
    ("webhook", WEBHOOK | {"url": "https://x.example/${secrets.A B}"}, "url", "${secrets.NAME}"),
    ("webhook", WEBHOOK | {"url": "https://x.example/${secrets.}"}, "url", "${secrets.NAME}"),
    ("webhook", WEBHOOK | {"url": "https://x.example/{{id}}"}, "url", "not a template"),
    ("webhook", WEBHOOK | {"url": "https://x.example/a b"}, "url", "not contain spaces"),
    ("webhook", WEBHOOK | {"url": "https:///path"}, "url", "not a URL"),
    ("webhook", WEBHOOK | {"url": "https://x.example:99999/"}, "url", "not a URL"),
    ("webhook", WEBHOOK | {"headers": {"Host": "a"}}, "headers.Host", "cannot be set"),
    (
        "webhook",
        WEBHOOK | {"headers": {"Transfer-Encoding": "chunked"}},
        "headers.Transfer-Encoding",
        "cannot",
    ),
    ("webhook", WEBHOOK | {"headers": {"Keep-Alive": "1"}}, "headers.Keep-Alive", "cannot be set"),
    ("webhook", WEBHOOK | {"headers": {"webhook-id": "1"}}, "headers.webhook-id", "cannot be set"),
    ("webhook", WEBHOOK | {"headers": {"X": "a\r\nB: c"}}, "headers.X", "on one line"),
    ("webhook", WEBHOOK | {"headers": {"X": "é"}}, "headers.X", "ASCII"),
    ("webhook", WEBHOOK | {"headers": {"X Y": "a"}}, "headers.X Y", "not the name"),
    ("webhook", WEBHOOK | {"headers": {"X": "a", "x": "b"}}, "headers.x", "twice"),
    ("webhook", WEBHOOK | {"headers": {"X": "Bearer ${secrets.A"}}, "headers", "${secrets.NAME}"),
    ("webhook", WEBHOOK | {"signingSecret": "whsec_éééé"}, "signingSecret", "base64"),
    ("webhook", WEBHOOK | {"body": '{"a": {{x}'}, "body", "}}"),
    ("webhook", WEBHOOK | {"body": '{"a": {{x}}, }'}, "body", "not produce JSON"),
    ("webhook", WEBHOOK | {"body": "{{x}} {{y}}"}, "body", "not produce JSON"),
    ("webhook", WEBHOOK | {"body": "{{'${secret.X}'}}"}, "body", "not in"),
    ("analytics", SEGMENT | {"writeKey": "${SEGMENT_KEY}"}, "writeKey", "${secrets.NAME}"),
    (
        "analytics",
        {"provider": "mixpanel", "projectToken": "t", "serviceAccount": "a"},
        "serviceAccount",
        "need",
    ),
    (
        "analytics",
        {"provider": "custom", "url": "https://x.example", "body": "{"},
        "body",
        "not produce JSON",
    ),
    ("notification", SLACK | {"webhook": "https://hooks.slack.com/ x"}, "webhook", "not contain spaces"),
    ("notification", SLACK | {"template": "${secrets.X}"}, "template", "not in"),
    ("database", TABLE | {"table": "${secrets.T}"}, "table", "not in"),
    ("database", TABLE | {"conflictFields": ["id", "id"]}, "conflictFields", "twice"),
    ("database", TABLE | {"versionField": "id"}, "versionField", "part of the key"),
    (
        "database",
        TABLE | {"connection": "postgresql://u:${secrets.P W}@h/d"},
        "connection",
        "${secrets.NAME}",
    ),
]


@pytest.mark.parametrize(
    ("kind", "config", "path", "words"),
    DESTINATIONS,
    ids=[f"{kind}-{path}" for kind, _, path, _ in DESTINATIONS],
)
def test_destination_mistakes_are_named_by_their_path(
    kind: str, config: dict[str, Any], path: str, words: str
) -> None:
    ((found, message),) = problems(destination=step(kind, config))
    assert found == f"destination.config.{path}"
    assert words in message


FILTERS: list[tuple[dict[str, Any], str, str]] = [
    ({"field": "a", "operator": "eq"}, "value", "needs a `value`"),
    ({"field": "a", "operator": "contains"}, "value", "needs a `value`"),
    ({"field": "a", "operator": "gt", "value": True}, "value", "numbers with numbers"),
    ({"field": "a", "operator": "lte", "value": None}, "value", "numbers with numbers"),
    ({"field": "a", "operator": "in", "value": []}, "value", "empty list"),
    ({"field": "a", "operator": "eq", "value": "${secrets.A}"}, "", "not in"),
    ({"field": "items[x].price", "operator": "exists"}, "field", "items[0].price"),
    ({"field": "a[0", "operator": "exists"}, "field", "items[0].price"),
    ({"field": "a..b", "operator": "exists"}, "field", "items[0].price"),
]


@pytest.mark.parametrize(("config", "path", "words"), FILTERS, ids=[str(each) for each, *_ in FILTERS])
def test_filter_mistakes_are_named_by_their_path(config: dict[str, Any], path: str, words: str) -> None:
    ((found, message),) = problems(transforms=[step("filter", config)])
    assert found == f"transforms.0.config.{path}".rstrip(".")
    assert words in message


def test_destinations_with_the_same_name_are_refused() -> None:
    twice = [step("webhook", WEBHOOK, name="a"), step("analytics", SEGMENT, name="a")]
    ((path, message),) = problems(destination=None, destinations=twice)
    assert path == "destinations"
    assert "same name" in message


@pytest.mark.parametrize(
    "part",
    [
        {"source": schedule("cron(0 9 * * *)")},
        {"source": {"type": "agent_execution", "statuses": ["bananas"]}},
        {"transforms": [step("filter", {"field": "a", "operator": "eq"})]},
        {"destination": step("webhook", WEBHOOK | {"headers": {"Host": "a"}})},
        {"destination": step("webhook", WEBHOOK | {"body": "{"})},
    ],
)
def test_stored_definition_of_an_earlier_release_still_loads(part: dict[str, Any]) -> None:
    """A new check must not stop a pipeline that runs."""
    assert stored_definition(definition_json() | part).name


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)",
        "rate(15 days)",
        "cron(0 9 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)",
        "cron(0 10 L-3 * ? 2026-2030)",
        "cron(15 12 15W JAN,jul ? *)",
        "cron(0 0 ? * 6L *)",
        "cron(0 0 ? * FRI-MON *)",
        "cron(0 0 ? * TUE#2 *)",
        "cron(* * 29 2 ? *)",
        "at(2027-01-15T08:00:00)",
    ],
)
def test_schedule_expressions_of_aws_are_accepted(expression: str) -> None:
    check_schedule(expression)


@given(st.text(alphabet="0123456789*?/,-LW#JANMON ", max_size=30), st.sampled_from(["rate", "cron", "at"]))
def test_any_schedule_text_is_accepted_or_refused_in_words(text: str, kind: str) -> None:
    with suppress(ValueError):
        check_schedule(f"{kind}({text})")


ITEMS = {"items": [{"price": 3}, {"price": 9}], "a.b": {"c": 1}}


@pytest.mark.parametrize(
    ("field", "value"),
    [("items[0].price", 3), ("items[1].price", 9), ('["a.b"].c', 1), ("$event.items[0]['price']", 3)],
)
def test_path_leads_into_lists_and_names_with_dots(field: str, value: int) -> None:
    kept, _ = run([step("filter", {"field": field, "operator": "eq", "value": value})], ITEMS, {"items": []})
    assert kept == [ITEMS]
    present, _ = run([step("filter", {"field": field, "operator": "exists"})], ITEMS, {"items": 1})
    assert present == [ITEMS]


def test_split_and_group_follow_a_path() -> None:
    outputs, _ = run([step("split", {"field": "orders[0].lines"})], {"orders": [{"lines": [1, 2]}, 7]})
    assert outputs == [{"orders": [{"lines": 1}, 7]}, {"orders": [{"lines": 2}, 7]}]
    config = {
        "type": "tumbling",
        "size": 1000,
        "groupBy": ["items[0].price"],
        "aggregations": [{"field": "items[1].price", "function": "sum"}],
    }
    (total,), _ = run([step("window", config)], ITEMS)
    assert (total["group"], total["values"]) == ({"items[0].price": 3}, {"sum_items[1].price": 9})


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_none(text: str) -> None:
    keys = parse_field(text)
    assert keys is None or all(key != "" for key in keys)
    if keys and all(isinstance(key, str) for key in keys) and "[" not in text:
        assert ".".join(map(str, keys)) == text


@pytest.mark.parametrize(("kind", "count"), [("tumbling", 2), ("sliding", 3), ("session", 1)])
def test_reference_window_is_accepted_literally_for_all_types(kind: str, count: int) -> None:
    """`sliding` moves by half its size then, and `session` ends after `size` of silence."""
    config = {"type": kind, "size": 60000, "aggregations": [{"field": "cost", "function": "sum"}]}
    definition = parse_definition(definition_json(step("window", config)))
    assert definition.model_dump(mode="json", by_alias=True, exclude_unset=True)["transforms"] == [
        step("window", config)
    ]
    events = [{"cost": 1, "at": 30_000}, {"cost": 2, "at": 80_000}]
    outputs, _ = run([step("window", config | {"timeField": "at"})], *events)
    assert len(outputs) == count
    assert sum(each["count"] for each in outputs) == 2 * (2 if kind == "sliding" else 1)


def test_sliding_window_without_slide_needs_a_size_to_halve() -> None:
    config = {"type": "sliding", "size": 60001, "aggregations": [{"field": "*", "function": "count"}]}
    ((path, message),) = problems(transforms=[step("window", config)])
    assert path == "transforms.0.config"
    assert "choose a `slide`" in message


def test_connection_of_no_known_database_is_refused() -> None:
    ((path, message),) = problems(destination=step("database", {"table": "t", "connection": "mongodb://h/d"}))
    assert path == "destination.config.connection"
    assert "postgresql://" in message
