"""Code in a flow emits events without knowing whether anyone listens; visibility limits what viewers see."""

from typing import Any

import httpx
import pytest

from millrace.agent.emitter import Emitter, emit, emitting
from millrace.agent.tools.builtin import BUILT_IN
from millrace.domain import events
from millrace.domain.access import SCOPES, Principal
from millrace.domain.flows import NewFlow, PipelineStep
from millrace.pipelines.definitions.definition import PipelineDefinition, parse_definition
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.runs.platform import Platform
from tests.flows.making import DEFINITION, STREAM, make_flow, post, stream
from tests.sse import read_events, types

CHATTY: list[dict[str, Any]] = [{"name": "chatty", "type": "tool", "tool": "chatty"}]


async def chatty() -> str:
    """Say what it does, to whoever listens."""
    emit(events.status("Half way."))
    return "done"


@pytest.fixture
def chatty_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "chatty", chatty)


@pytest.mark.usefixtures("chatty_tool")
def test_tool_under_a_flow_emits_into_its_stream(flows: httpx.Client) -> None:
    make_flow(flows, CHATTY)
    said = [event.data for event in stream(flows, None) if event.data["type"] == "status"]
    assert said == [{"type": "status", "message": "Half way.", "step": "chatty"}]
    assert post(flows, None).json()["result"] == "done"


async def test_same_tool_without_a_flow_emits_nowhere() -> None:
    assert await chatty() == "done"
    heard: list[dict[str, Any]] = []
    with emitting(Emitter(heard.append)):
        await chatty()
    assert [event["message"] for event in heard] == ["Half way."]


def test_agents_visibility_caps_the_flow(flows: httpx.Client, management: httpx.Client) -> None:
    shy = {"id": "shy", "name": "Shy", "model": "echo:", "tools": ["echo_tool"], "visibility": "answer"}
    assert management.post("/api/agents", json=shy).status_code == 201
    make_flow(flows, [{"name": "asked", "type": "agent", "agentId": "shy"}])
    body = {"input": "hi"}
    with flows.stream("POST", "/api/flows/flow/events?detail=full", json=body, headers=STREAM) as response:
        assert types(read_events(response.iter_lines())) == ["start", "token", "done"]


async def test_pipeline_step_finds_stored_pipelines_by_id(platform: Platform, organization: str) -> None:
    asked: list[tuple[str, str]] = []

    async def find(of: str, pipeline_id: str) -> PipelineDefinition:
        asked.append((of, pipeline_id))
        return parse_definition(DEFINITION)

    flows = Flows.connect(platform, find)
    caller = Principal(organization, "user", SCOPES)
    step = PipelineStep(name="shaped", type="pipeline", pipeline_id="pipe_1", events="input")
    await flows.definitions.create(caller, NewFlow(name="flow", steps=[step]))
    begun = await flows.start(caller, "flow", {"keep": True, "text": "a", "number": 3}, None, None)
    assert isinstance(begun, FlowRun)
    last = [event async for batch in begun.session.event_feed for event in batch][-1].event
    await platform.close()
    assert last["result"] == [{"said": "a", "twice": 6}]
    assert asked == [(organization, "pipe_1")]


def test_running_flow_can_be_stopped_like_any_run(flows: httpx.Client, chat: httpx.Client) -> None:
    make_flow(flows, [{"name": "slow", "type": "agent", "agentId": "echo"}])
    body = {"input": "/echo hang=1 tools=0\nword"}
    with flows.stream("POST", "/api/flows/flow/events", json=body, headers=STREAM) as response:
        sent = read_events(response.iter_lines())
        execution = next(sent).data["conversationId"]
        assert chat.post(f"/api/conversations/{execution}/stop").status_code == 202
        assert list(sent)[-1].data["finishReason"] == "stopped"
