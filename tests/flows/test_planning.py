"""An agent step that plans first: planner, tools, final answer."""

import httpx
import pytest
from msgspec.structs import replace

from millrace.agent.planning import MAX_CALLS
from millrace.api.flows_app import create_app
from millrace.errors import MillraceError
from millrace.services.flows.calls import StepFailed
from millrace.services.flows.plan import read_plan
from millrace.settings import Settings
from tests.fakes.model_bytes import openai_answer
from tests.fakes.model_server import ModelServer, Script
from tests.flows.making import make_flow, post, stream
from tests.serving import served
from tests.tokens import Issuer

AGENT = {"id": "planner", "name": "Planner", "model": "echo:", "tools": ["calculator", "current_time"]}
STEP = {"name": "planned", "type": "agent", "agentId": "planner", "plan": True}
# The echo model says back what it is told: the request is the plan.
PLAN = '[{"tool": "calculator", "arguments": {"expression": "6 * 7"}}]'


@pytest.fixture(autouse=True)
def planner(management: httpx.Client) -> None:
    assert management.post("/api/agents", json=AGENT).status_code == 201


def test_plan_the_tools_and_the_answer_are_streamed(flows: httpx.Client) -> None:
    make_flow(flows, [STEP])
    events = [event.data for event in stream(flows, PLAN)]
    said = [event["message"] for event in events if event["type"] == "status"]
    assert said == ["Planning.", "Step 1 of 1: calculator.", "Writing the answer."]
    (result,) = [event for event in events if event["type"] == "tool_result"]
    assert (result["name"], result["ok"]) == ("calculator", True)
    tokens = [n for n, event in enumerate(events) if event["type"] == "token"]
    assert tokens[0] > events.index(result)
    assert events[-1]["result"].startswith(PLAN)
    assert events[-1]["result"].endswith("42")


def test_plan_that_makes_no_sense_fails_the_step(flows: httpx.Client) -> None:
    make_flow(flows, [STEP])
    error = post(flows, "I would rather not.").json()["error"]
    assert (error["code"], error["step"]) == ("bad_plan", "planned")
    assert "a JSON list of at most 16 calls" in error["message"]


def test_demo_agent_plans_and_answers(flows: httpx.Client) -> None:
    make_flow(flows, [STEP | {"agentId": "demo"}])
    events = [event.data for event in stream(flows, "What is 6 * 7, and what is the time in Tokyo?")]
    called = [event["name"] for event in events if event["type"] == "tool_call"]
    assert called == ["calculator", "current_time"]
    assert "42" in events[-1]["result"]
    assert "Asia/Tokyo" in events[-1]["result"]


def test_demo_agent_answers_what_needs_no_tool(flows: httpx.Client) -> None:
    make_flow(flows, [STEP | {"agentId": "demo"}])
    assert post(flows, "Tell me a joke.").json()["result"]


def test_model_that_answers_in_prose_is_asked_once_more(
    settings: Settings,
    issuer: Issuer,
    organization: str,
    management: httpx.Client,
    model_server: ModelServer,
) -> None:
    agent = AGENT | {"id": "modelled", "model": "openai:m"}
    assert management.post("/api/agents", json=agent).status_code == 201
    model_server.play(
        Script(openai_answer(["First I would like [to think] about it."])),
        Script(openai_answer([f"Sure: {PLAN}"])),
        Script(openai_answer(["It is 42."])),
    )
    mine = replace(settings, openai_base_url=f"{model_server.url}/v1", openai_api_key="sk")
    with served(create_app(mine)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as flows:
            make_flow(flows, [STEP | {"agentId": "modelled"}])
            assert post(flows, "What is 6 * 7?").json()["result"] == "It is 42."
    again = str(model_server.exchanges[1].json["messages"][-1]["content"])
    assert "What is 6 * 7?" in again
    assert "[to think]" in again
    assert "a JSON list of at most 16 calls" in again


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '[{"arguments": {}}]',
        '[{"tool": "http_fetch"}]',
        "[" + ",".join(['{"tool": "calculator"}'] * (MAX_CALLS + 1)) + "]",
    ],
)
def test_plan_may_not_go_beyond_the_agents_tools(text: str) -> None:
    with pytest.raises(MillraceError) as error:
        read_plan(text, ["calculator"])
    assert error.value.code == "bad_plan"


def test_plan_is_found_in_what_stands_around_it() -> None:
    plan = read_plan('Here:\n```json\n[{"tool": "calculator", "arguments": {"a": [1]}}]\n```', ["calculator"])
    assert [(call.tool, call.arguments) for call in plan] == [("calculator", {"a": [1]})]
    assert read_plan("[]", []) == []


def test_plan_can_be_stored_whatever_a_model_writes() -> None:
    written = '[{"tool": "calculator", "arguments": {"a": "\\ud83d", "b": NaN, "c": 123456789012345678901}}]'
    [planned] = read_plan(written, ["calculator"])
    assert planned.arguments == {"a": "\ufffd", "b": None, "c": 123456789012345678901.0}
    deep = '[{"tool": "calculator", "arguments": {"a": ' + "[" * 300 + "]" * 300 + "}}]"
    with pytest.raises(StepFailed):
        read_plan(deep, ["calculator"])
