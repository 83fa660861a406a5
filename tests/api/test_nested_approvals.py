"""Waiting calls of sub-agents as a page sees them: in the conversation's stream, after a reload, and in a
second tab."""

from typing import Any

import httpx
import pytest

from tests.api.talk import STREAM, attach, say
from tests.api.test_one_view import World, model_turn, world
from tests.fakes.model_bytes import anthropic_answer, anthropic_block, anthropic_text
from tests.fakes.model_server import ModelServer, Script
from tests.sse import Sent, read_events

__all__ = ["world"]
MODEL = "anthropic:claude-sonnet-4-5"
MESSAGES = "/api/conversations/c1/messages"
ARGUMENTS = {"expression": "40 + 2"}


def calls(id: str, name: str, arguments: str) -> list[bytes]:
    use = {"type": "tool_use", "id": id, "name": name, "input": {}}
    return anthropic_block(1, use, {"type": "input_json_delta", "partial_json": arguments})


def hire(world: World, visibility: str) -> None:
    """Make a lead, whose helper's tool asks first."""
    ask = {"name": "calculator", "policy": "ask"}
    for agent in (
        {"id": "helper", "name": "Helper", "tools": [ask]},
        {"id": "lead", "name": "Lead", "tools": ["agent:helper"], "visibility": visibility},
    ):
        made = world.management.post("/api/agents", json=agent | {"model": MODEL})
        assert made.status_code == 201, made.text


def play(model_server: ModelServer) -> None:
    delegates, works = (
        calls("toolu_1", "ask_helper", '{"task": "Add."}'),
        calls("toolu_2", "calculator", '{"expression": "40 + 2"}'),
    )
    model_server.play(
        model_turn(anthropic_text(0, ["I ask."]), delegates, reason="tool_use"),
        model_turn(anthropic_text(0, ["I add."]), works, reason="tool_use"),
        Script(anthropic_answer(["42."])),
        Script(anthropic_answer(["It is 42."])),
    )


def of(events: list[Sent], kind: str) -> list[dict[str, Any]]:
    return [event.data for event in events if event.data["type"] == kind]


def reloaded(api: httpx.Client, run_id: str) -> tuple[dict[str, Any], list[Sent]]:
    """Return the call that waits, and the events of its run, as a page that was just opened gets them."""
    [listed] = api.get("/api/approvals", params={"conversationId": "c1"}).json()["items"]
    assert listed["runId"] == run_id
    [message] = [one for one in api.get(MESSAGES).json()["items"] if one["role"] == "user"]
    assert message["runId"] == run_id
    return listed, attach(api, f"/api/runs/{run_id}/stream")


@pytest.mark.parametrize("visibility", ["full", "answer"])
def test_call_of_a_sub_agent_is_shown_and_answered_in_the_conversation_of_its_run(
    world: World, model_server: ModelServer, visibility: str
) -> None:
    hire(world, visibility)
    play(model_server)
    seen = say(world.api, "How much?", agentId="lead")
    run_id = seen[0].data["runId"]
    [asked] = of(seen, "approval_requested")
    [waits] = seen[-1].data["calls"]
    assert waits["callId"] == asked["callId"] == "toolu_2"
    listed, replayed = reloaded(world.api, run_id)
    assert of(replayed, "approval_requested") == [asked]
    assert (listed["callId"], listed["name"], listed["arguments"]) == ("toolu_2", "calculator", ARGUMENTS)
    assert [one["agentId"] for one in listed["path"]] == ["lead", "helper"]
    assert (listed["state"], listed["canAnswer"]) == ("waiting", True)
    if visibility == "full":
        assert (asked["parent"], asked["agentId"], asked["name"]) == ("toolu_1", "helper", "calculator")
    rest = answered(world.api, run_id, str(replayed[-1].id))
    [decided] = of(rest, "approval_answered")
    assert (decided["callId"], decided["decision"]) == ("toolu_2", "approve")
    assert rest[-1].data["type"] == "done"
    assert "".join(one["token"] for one in of(rest, "token") if "parent" not in one).endswith("It is 42.")
    late = attach(world.api, f"/api/runs/{run_id}/stream")
    assert [len(of(late, f"approval_{kind}")) for kind in ("requested", "answered")] == [1, 1]
    assert world.api.get("/api/approvals", params={"conversationId": "c1"}).json()["items"] == []
    steps = [step for one in world.api.get(MESSAGES).json()["items"] for step in one.get("steps", ())]
    shown = [step["type"] for step in steps if step.get("callId") == "toolu_2"]
    assert shown == ["approval_requested", "approval_answered"]


def answered(api: httpx.Client, run_id: str, last: str) -> list[Sent]:
    """Answer from one tab; the rest of the run as another one gets it, which was there before."""
    headers = STREAM | {"last-event-id": last}
    with api.stream("GET", f"/api/runs/{run_id}/stream", headers=headers) as response:
        assert response.status_code == 200, response.read()
        given = {"callId": "toolu_2", "decision": "approve"}
        answer = api.post(f"/api/runs/{run_id}/answers", json=given)
        assert answer.status_code < 300, answer.text
        return [event for event in read_events(response.iter_lines()) if event.id]
