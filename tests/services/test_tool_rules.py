"""Approval rules of tools: which calls ask, and which rules are invalid."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.agent.tools.mcp import tool_name
from millrace.domain.agents import AgentSettings, ToolUse
from millrace.errors import InvalidRequest
from millrace.services.runs.json_schemas import check_schema, check_value
from millrace.services.runs.tool_rules import ToolRules, check_rules

DAY = 24 * 3600


def rules(*uses: dict[str, Any], names: dict[str, str] | None = None) -> ToolRules:
    return ToolRules([ToolUse.model_validate(one) for one in uses], names or {})


@pytest.mark.parametrize(
    ("policy", "arguments", "asks"),
    [
        ("auto", {"amount": 100}, False),
        ("ask", {"amount": 1}, True),
        ({"ask": "amount > 50"}, {"amount": 51}, True),
        ({"ask": "amount > 50"}, {"amount": 50}, False),
        ({"ask": "amount > 50"}, {}, True),
        ({"ask": "amount > 50"}, {"amount": None}, True),
        ({"ask": "amount + 1"}, {"amount": 1}, True),
        ({"ask": "toNumber(amount) > 50"}, {"amount": "many"}, True),
        ({"ask": "items[0].price > 5"}, {"items": [{"price": 5}]}, False),
        ({"ask": "items[0].price > 5"}, {"items": []}, True),
        ({"ask": "amount > 50"}, {"amount": "100"}, True),
        ({"ask": "!(amount <= 50)"}, {"amount": float("nan")}, True),
        ({"ask": "coupon == null"}, {"coupon": "x"}, False),
        ({"ask": 'to != "me@example.com"'}, {"to": "me@example.com"}, False),
        ({"ask": "order.price > 5"}, {"order": {"price": 5}}, False),
        ({"ask": "order.price > 5"}, {"order": {}}, True),
        ({"ask": "order.price > 5"}, {"order": [5]}, True),
        ({"ask": "amount % 7 == 1"}, {"amount": float("inf")}, True),
        ({"ask": "amount + 0.5 > 50"}, {"amount": 10**400}, True),
        ({"ask": "round(amount) > 5"}, {"amount": 10**400}, True),
    ],
)
def test_rule_asks_unless_it_is_plainly_false(policy: Any, arguments: dict[str, Any], asks: bool) -> None:
    found = rules({"name": "refund", "policy": policy}).rule_for("refund", arguments)
    assert (found is not None) == asks


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["amount", "x"]), st.none() | st.booleans() | st.floats() | st.text()))
def test_call_passes_only_where_a_small_number_stands(arguments: dict[str, Any]) -> None:
    """Whatever else a model writes there, a person decides."""
    rule = rules({"name": "refund", "policy": {"ask": "!(toNumber(amount) <= 50)"}})
    passes = rule.rule_for("refund", arguments) is None
    if passes:
        assert float(arguments["amount"]) <= 50


def test_rule_of_a_server_covers_its_tools_and_its_own_entries_win() -> None:
    both = rules(
        {"name": "shop__*", "policy": "ask"},
        {"name": "shop__refund", "policy": {"ask": "amount > 50"}},
    )
    assert both.rule_for("shop__order", {}) is not None
    assert both.rule_for("shop__refund", {"amount": 1}) is None
    assert both.rule_for("shop2__order", {}) is None
    assert both.rule_for("calculator", {}) is None


@pytest.mark.parametrize(
    "rule", ["shop__orders.pay", "shop__orders.*", "shop__*", tool_name("shop", "orders.pay")]
)
def test_rule_holds_for_a_tool_whose_name_was_changed_for_models(rule: str) -> None:
    """The server's own name of a tool matched nothing: the tool ran unasked."""
    found = rules({"name": rule, "policy": "ask"})
    assert found.rule_for(tool_name("shop", "orders.pay"), {}) is not None
    assert found.rule_for(tool_name("shop2", "orders.pay"), {}) is None


def test_rule_of_long_names_holds_where_they_are_cut() -> None:
    found = rules({"name": f"shop__{'x' * 60}*", "policy": "ask"})
    assert found.rule_for(tool_name("shop", "x" * 80), {}) is not None


def test_closest_rule_of_a_server_wins() -> None:
    uses: list[dict[str, Any]] = [
        {"name": "shop__*", "policy": {"ask": "amount > 50"}},
        {"name": "shop__pay_*", "policy": "ask"},
    ]
    for order in (uses, uses[::-1]):
        assert rules(*order).rule_for("shop__pay_now", {"amount": 1}) is not None
        assert rules(*order).rule_for("shop__order", {"amount": 1}) is None


def test_rule_of_a_sub_agent_goes_by_the_name_of_its_tool() -> None:
    found = rules({"name": "agent:payer", "policy": "ask"}, names={"payer": "ask_payer"})
    assert found.rule_for("ask_payer", {"task": "pay"}) is not None


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"name": "calculator", "policy": {"ask": "amount >"}}, "tools.0.policy.ask"),
        ({"name": "shop__refund", "policy": "ask"}, "This agent has no MCP server 'shop'"),
        ({"name": "docs__read"}, "only with a policy"),
        ({"name": "ask_user", "policy": "ask"}, "always asks"),
        ({"name": "calculator", "policy": "ask", "expires": DAY + 1}, "at most 86,400 seconds"),
    ],
)
def test_rule_that_could_never_work_is_refused(use: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        check_rules([ToolUse.model_validate(use)], ["docs"], DAY)
    assert said in error.value.message


def test_tool_is_listed_once() -> None:
    uses = [ToolUse(name="calculator"), ToolUse(name="calculator", policy="ask")]
    with pytest.raises(InvalidRequest, match="listed twice"):
        check_rules(uses, [], DAY)


@pytest.mark.parametrize(
    "use",
    [
        {"name": "calculator", "policy": "never"},
        {"name": "calculator", "policy": "ask", "approvers": {}},
        {"name": "calculator", "policy": "ask", "approvers": {"scopes": "x"}},
        {"name": "calculator", "policy": {"ask": ""}},
        {"name": "calculator", "expires": 0},
    ],
)
def test_malformed_rule_is_refused(use: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tools"):
        AgentSettings.model_validate({"name": "A", "tools": [use]})


def test_tools_keep_the_form_in_which_they_were_given() -> None:
    tools = [
        "calculator",
        {
            "name": "http_fetch",
            "policy": {"ask": "true"},
            "approvers": {"scope": "refunds:approve", "role": None, "users": None, "owner": False},
            "expires": 60,
        },
    ]
    assert AgentSettings.model_validate({"name": "A", "tools": tools}).to_wire()["tools"] == tools


# --- schemas -------------------------------------------------------------------------------------------


def test_value_that_does_not_fit_is_told_by_its_path() -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["order"]}
    with pytest.raises(InvalidRequest) as error:
        check_value({"amount": "9"}, schema, "arguments")
    assert [one["path"] for one in error.value.details["fields"]] == ["arguments", "arguments.amount"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "thing"},
        {"pattern": "(?=a)b"},
        {"patternProperties": {"(a+)+$": {}}},
        {"properties": {"deep": {"items": [{"pattern": "("}]}}},
        {"$defs": {"patternProperties": {"patternProperties": {"(a+)+$": {}}}}},
        {"properties": {"properties": {"patternProperties": {"(a+)+$": {}}}}},
        {"$ref": "#/default", "default": {"patternProperties": {"(a+)+$": {}}}},
        {"$ref": "#/$defs/a/const", "$defs": {"a": {"const": {"patternProperties": {"(a+)+$": {}}}}}},
        {"$ref": "#/properties/patternProperties", "properties": {"patternProperties": {"pattern": "("}}},
    ],
)
def test_schema_that_cannot_be_used_is_told(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as error:
        check_schema(schema, "schema")
    assert error.value.code == "invalid_schema"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"patternProperties": {"type": "string"}, "pattern": {"type": "string"}}},
        {"properties": {"pattern": {"pattern": "^a"}}, "required": ["patternProperties"]},
        {"default": {"patternProperties": {}, "pattern": "("}},
        {"enum": [{"patternProperties": 1, "pattern": "("}]},
        {"$defs": {"patternProperties": {"type": "string"}}, "$ref": "#/$defs/patternProperties"},
    ],
)
def test_names_and_values_of_a_schema_are_no_keywords(schema: dict[str, Any]) -> None:
    check_schema(schema, "schema")


def test_references_out_of_a_schema_are_not_followed() -> None:
    with pytest.raises(InvalidRequest) as error:
        check_value(1, {"$ref": "http://127.0.0.1:1/schema.json"}, "content")
    assert error.value.code == "invalid_schema"


def test_pattern_takes_linear_time() -> None:
    with pytest.raises(InvalidRequest, match="does not match"):
        check_value("a" * 5000 + "b", {"pattern": "^(a+)+$"}, "content")
