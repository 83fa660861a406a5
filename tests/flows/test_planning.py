"""An agent step that plans first: planner, tools, final answer."""

import httpx
import pytest

from millrace.errors import MillraceError
from millrace.services.flows.plan import MAX_CALLS, read_plan
from tests.flows.making import make_flow, post, stream

AGENT = {"id": "planner", "name": "Planner", "model": "echo:", "tools": ["calculator", "current_time"]}
STEP = {"name": "planned", "type": "agent", "agentId": "planner", "plan": True}
# The echo model says back what it is told: the request is the plan.
PLAN = '[{"tool": "calculator", "arguments": {"expression": "6 * 7"}}]'


@pytest.fixture(autouse=True)
def planner(management: httpx.Client) -> None:
    assert management.post("/api/agents", json=AGENT).status_code == 201


def test_the_plan_the_tools_and_the_answer_are_streamed(flows: httpx.Client) -> None:
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


def test_a_plan_that_makes_no_sense_fails_the_step(flows: httpx.Client) -> None:
    make_flow(flows, [STEP])
    error = post(flows, "I would rather not.").json()["error"]
    assert (error["code"], error["step"]) == ("bad_plan", "planned")


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
def test_a_plan_may_not_go_beyond_the_agents_tools(text: str) -> None:
    with pytest.raises(MillraceError) as refused:
        read_plan(text, ["calculator"])
    assert refused.value.code == "bad_plan"


def test_a_plan_is_found_in_what_stands_around_it() -> None:
    plan = read_plan('Here:\n```json\n[{"tool": "calculator", "arguments": {"a": [1]}}]\n```', ["calculator"])
    assert [(call.tool, call.arguments) for call in plan] == [("calculator", {"a": [1]})]
    assert read_plan("[]", []) == []
