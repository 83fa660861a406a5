"""A flow ends at a limit or a stop: no step continues with an answer that an agent did not give."""

from typing import Any

import pytest
from msgspec.structs import replace

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.domain.agents import Agent
from millrace.domain.flows import NewFlow
from millrace.domain.limits import AllLimits, OrganizationLimits
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.limits import ManagedLimits
from millrace.settings import Settings
from millrace.stores import limits
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.scripted import Talk, calls, says

ASKS = {"name": "draft", "type": "agent", "agentId": "teller", "message": "input"}
AGAIN = {"name": "again", "type": "agent", "agentId": "teller", "message": "steps.draft"}
ACTS = {"name": "acts", "type": "tool", "tool": "act"}


@pytest.fixture
def talk(aws_environment: Aws) -> Talk:
    made = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    flows = Settings.from_environment(aws_environment.environment("FlowsFunction"))
    settings = replace(made, flows_table=flows.flows_table)
    return Talk(settings, Stores.connect(settings))


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The effects of the tool `act`."""
    found = list[str]()

    def act() -> str:
        """Act."""
        found.append("effect")
        return "ok"

    monkeypatch.setitem(BUILT_IN, "act", tool(act))
    return found


async def run_flow(talk: Talk, *steps: dict[str, Any], teller: Any = None, **more: Any) -> dict[str, Any]:
    """Run a flow; its last event."""
    given = {"id": "teller", "name": "Teller", "model": "echo:", "tools": ["echo_tool"]} | (teller or {})
    await talk.stores.agents.create(talk.slot.organization, Agent.model_validate(given))
    flows = Flows.connect(talk.platform)
    flow = NewFlow.model_validate({"name": "flow", "steps": steps, **more})
    await flows.definitions.create(talk.caller, flow)
    begun = await flows.start(talk.caller, "flow", "go", None, None)
    assert isinstance(begun, FlowRun)
    seen = [event.event async for batch in begun.session.event_feed for event in batch]
    await begun.session.over()
    run = await talk.stores.runs.get(talk.slot.organization, begun.session.run.id)
    assert run.finish_reason == seen[-1]["finishReason"]
    return seen[-1] | {"state": run.state}


async def test_stopped_agent_of_the_first_step_asks_no_model_and_ends_the_flow(
    talk: Talk, effects: list[str]
) -> None:
    managed = ManagedLimits(talk.stores.limits, talk.stores.clock)
    await managed.stop(talk.caller, "teller", "No more.")
    last = await run_flow(talk, ASKS, ACTS)
    assert (last["state"], last["finishReason"], last["result"]) == ("stopped", "stopped", None)
    assert talk.models.requests == []
    assert effects == []


async def test_flow_ends_at_its_own_limit(talk: Talk, effects: list[str]) -> None:
    last = await run_flow(talk, ASKS, AGAIN, ACTS, limits={"maxTokens": 1})
    assert (last["state"], last["finishReason"], last["result"]) == ("completed", "max_tokens", None)
    assert len(talk.models.requests) == 1
    assert effects == []


async def test_flow_ends_at_the_limit_of_the_day(
    talk: Talk, effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CACHE_SECONDS", 3600.0)
    found = AllLimits(organization=OrganizationLimits(tokens_per_day=2))
    organization = talk.slot.organization
    await talk.stores.limits.change(organization, lambda seen: seen.model_copy(update={"limits": found}))
    last = await run_flow(talk, ASKS, AGAIN, ACTS)
    assert (last["state"], last["finishReason"], last["result"]) == ("completed", "max_tokens", None)
    assert len(talk.models.requests) == 1
    assert effects == []


async def test_flow_that_has_its_last_answer_completes_whatever_it_has_used(talk: Talk) -> None:
    talk.models.turns = [says("Hello")]
    last = await run_flow(talk, ASKS, limits={"maxTokens": 1})
    assert (last["finishReason"], last["result"]) == ("stop", "Hello")


async def test_limit_of_an_agent_itself_ends_its_step_only(talk: Talk, effects: list[str]) -> None:
    talk.models.turns = [[*says("I look. "), *calls("one")]]
    last = await run_flow(talk, ASKS, ACTS, teller={"limits": {"maxIterations": 1}}, output="steps.draft")
    assert (last["finishReason"], last["result"]) == ("stop", "I look. ")
    assert effects == ["effect"]
