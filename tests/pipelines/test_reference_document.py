"""Every expression, filter operator and transform, as the documentation writes them."""

from typing import Any

import pytest

from tests.pipelines.definitions import run, step

COMPLETED: dict[str, Any] = {
    "status": "completed",
    "agentId": "agent-123",
    "tokenUsage": {"total": 420},
    "cost": 0.25,
    "completedAt": "2026-01-02T03:04:05Z",
}


def test_pipeline_of_the_document_filters_and_maps() -> None:
    filtered = step("filter", {"field": "status", "operator": "eq", "value": "completed"})
    mapped = step(
        "map",
        {
            "expression": {
                "event_type": '"agent_completion"',
                "agent_id": "agentId",
                "tokens": "tokenUsage.total",
                "cost": "cost",
                "timestamp": "completedAt",
            }
        },
    )
    outputs, local = run([filtered, mapped], COMPLETED, {**COMPLETED, "status": "failed"})
    assert outputs == [
        {
            "event_type": "agent_completion",
            "agent_id": "agent-123",
            "tokens": 420,
            "cost": 0.25,
            "timestamp": "2026-01-02T03:04:05Z",
        }
    ]
    assert local.counts[0].dropped == 1


def test_expressions_of_the_document() -> None:
    expression = {
        "userId": "user.id",
        "userName": "upper(user.name)",
        "fullName": 'concat(user.firstName, " ", user.lastName)',
    }
    user = {"id": "u1", "name": "ada", "firstName": "Ada", "lastName": "Lovelace"}
    outputs, _ = run([step("map", {"expression": expression})], {"user": user})
    assert outputs == [{"userId": "u1", "userName": "ADA", "fullName": "Ada Lovelace"}]


FILTERS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("eq", "a", ["a"], ["b", 1, None, ["a"]]),
    ("eq", 1, [1, 1.0], [True, "1"]),
    ("neq", "a", ["b", 1, None], ["a"]),
    ("gt", 1, [1.5, 2], [1, "2", None, True]),
    ("gte", 1, [1, 2], [0.5]),
    ("lt", "b", ["a"], ["b", 1]),
    ("lte", 1, [1, 0], [2]),
    ("contains", "b", ["abc", ["b"], {"b": 1}], ["ac", ["bb"], 5, None]),
    ("in", ["a", 1], ["a", 1, 1.0], ["b", True, None]),
    ("regex", "^a.c", ["abcd"], ["xabc", 5, None]),
    ("regex", "b", ["abc"], ["ac"]),
    ("exists", None, [1, None, ""], []),
]


@pytest.mark.parametrize(("operator", "value", "kept", "dropped"), FILTERS)
def test_filter_keeps_what_it_says(operator: str, value: Any, kept: list[Any], dropped: list[Any]) -> None:
    config = {"field": "x", "operator": operator, "value": value}
    payloads = [{"x": each} for each in [*kept, *dropped]]
    outputs, local = run([step("filter", config)], *payloads)
    assert outputs == payloads[: len(kept)]
    assert local.counts[0].dropped == len(dropped)


@pytest.mark.parametrize("operator", ["eq", "gt", "gte", "lt", "lte", "contains", "regex"])
def test_missing_field_is_unequal_to_everything(operator: str) -> None:
    config = {"field": "x.y", "operator": operator, "value": "a"}
    assert run([step("filter", config)], {}, {"x": 1})[0] == []
    assert len(run([step("filter", {**config, "operator": "neq"})], {}, {"x": 1})[0]) == 2


def test_aggregate_of_the_document_is_a_running_total() -> None:
    aggregations = [
        {"field": "cost", "function": "sum", "alias": "totalCost"},
        {"field": "tokens", "function": "avg", "alias": "avgTokens"},
        {"field": "*", "function": "count", "alias": "runCount"},
    ]
    runs = [{"agentId": agent, "cost": 0.1, "tokens": n} for agent, n in [("a", 10), ("b", 7), ("a", 20)]]
    outputs, _ = run([step("aggregate", {"groupBy": ["agentId"], "aggregations": aggregations})], *runs)
    assert [(each["group"]["agentId"], each["values"]) for each in outputs] == [
        ("a", {"totalCost": 0.1, "avgTokens": 10, "runCount": 1}),
        ("b", {"totalCost": 0.1, "avgTokens": 7, "runCount": 1}),
        ("a", {"totalCost": 0.2, "avgTokens": 15, "runCount": 2}),
    ]


def test_window_of_the_document() -> None:
    config = {"type": "tumbling", "size": 60000, "aggregations": [{"field": "cost", "function": "sum"}]}
    payloads = [{"t": t, "cost": cost} for t, cost in [(0, 1), (59_999, 2), (60_000, 4)]]
    outputs, _ = run([step("window", config)], *payloads)
    assert [(each["windowStart"], each["values"]) for each in outputs] == [
        (0, {"sum_cost": 3}),
        (60_000, {"sum_cost": 4}),
    ]


def test_batch_of_the_document() -> None:
    outputs, _ = run([step("batch", {"size": 100, "timeout": 5000})], *[{"n": n} for n in range(250)])
    assert [each["count"] for each in outputs] == [100, 100, 50]
    assert sorted(item["n"] for each in outputs for item in each["items"]) == list(range(250))
