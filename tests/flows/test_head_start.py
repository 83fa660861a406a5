"""A flow whose first step asks an agent works while it is being stored; nothing is reported or done
before."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.model import ToolCall
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.app import AgentContext, agent
from millrace.domain.agents import OWN_AGENTS, Agent
from millrace.domain.conversations import Slot
from millrace.domain.flows import NewFlow
from millrace.domain.limits import AllLimits, OrganizationLimits
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.runs.new_message import ReplayedRun
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.gated import WITHIN, Gated, Silent, clock, gated, talk
from tests.services.scripted import Talk, says

__all__ = ["clock", "gated", "talk"]

ASKS = {"name": "told", "type": "agent", "agentId": "teller", "message": "input"}
CHECKS = {"name": "seen", "type": "tool", "tool": "check"}


@pytest.fixture
def settings(aws_environment: Aws) -> Settings:
    made = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    flows = Settings.from_environment(aws_environment.environment("FlowsFunction"))
    return replace(made, flows_table=flows.flows_table)


@pytest.fixture
def stored(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The answers of a tool `check` to whether the execution is stored."""
    found = list[bool]()

    async def check() -> str:
        """Check that the execution is stored."""
        found.append(bool(await executions_of(talk)))
        return "seen"

    monkeypatch.setitem(BUILT_IN, "check", tool(check, repeat="safe"))
    return found


async def executions_of(talk: Talk) -> list[str]:
    found, _ = await Flows.connect(talk.platform).store.executions(talk.slot.organization, "flow", "", 10)
    return [one.id for one in found]


async def prepare(talk: Talk, *steps: dict[str, Any], **teller: Any) -> None:
    """Make a flow, and the agent that its steps ask."""
    given = {"id": "teller", "name": "Teller", "model": "echo:"} | teller
    await talk.stores.agents.create(talk.slot.organization, Agent.model_validate(given))
    flow = NewFlow.model_validate({"name": "flow", "steps": steps or [ASKS]})
    await Flows.connect(talk.platform).definitions.create(talk.caller, flow)


def starting(talk: Talk, key: str | None = None) -> asyncio.Task[FlowRun | ReplayedRun]:
    return asyncio.create_task(Flows.connect(talk.platform).start(talk.caller, "flow", "go", key, None))


async def types_of(begun: "asyncio.Task[FlowRun | ReplayedRun]") -> list[str]:
    found = await begun
    assert isinstance(found, FlowRun)
    seen = [event.type async for batch in found.session.event_feed for event in batch]
    await found.session.over()
    return seen


def noting(event: asyncio.Event) -> Callable[[], Any]:
    async def note() -> None:
        event.set()

    return note


async def held_up(talk: Talk, gated: Gated, key: str | None = None) -> tuple[asyncio.Task[Any], Silent]:
    """Start the flow with a silent model; return once that is asked and the flow about to be stored."""
    silent = Silent()
    talk.models.turns = [[silent]]
    gated.shut()
    late = starting(talk, key)
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
    return late, silent


async def test_model_of_the_first_step_answers_while_the_flow_is_stored(talk: Talk, gated: Gated) -> None:
    answered = asyncio.Event()
    await prepare(talk)
    talk.models.turns = [[*says("Hello"), noting(answered)]]
    gated.shut()
    begun = starting(talk)
    async with asyncio.timeout(WITHIN):
        await answered.wait()
        await gated.reached.wait()
    assert not begun.done()
    assert await executions_of(talk) == []
    gated.gate.set()
    assert await types_of(begun) == ["start", "flow_step_start", "token", "flow_step_complete", "done"]
    assert len(await executions_of(talk)) == 1


async def test_tools_of_its_agent_run_once_the_flow_is_stored(
    talk: Talk, gated: Gated, stored: list[bool]
) -> None:
    asked = asyncio.Event()
    await prepare(talk, tools=["check"])
    talk.models.turns = [[ToolCall("call_1", "check", {}), noting(asked)], says("Done")]
    gated.shut()
    begun = starting(talk)
    async with asyncio.timeout(WITHIN):
        await asked.wait()
    gated.gate.set()
    assert (await types_of(begun))[-1] == "done"
    assert stored == [True]


async def test_step_that_calls_a_tool_begins_once_the_flow_is_stored(
    talk: Talk, gated: Gated, stored: list[bool]
) -> None:
    await prepare(talk, CHECKS, ASKS)
    gated.shut()
    begun = starting(talk)
    await gated.held(talk.stores)
    assert stored == []
    gated.gate.set()
    assert (await types_of(begun))[-1] == "done"
    assert stored == [True]


async def test_step_with_code_begins_once_the_flow_is_stored(
    talk: Talk, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = list[bool]()

    @agent("careful")
    async def careful(ctx: AgentContext) -> AsyncIterator[str]:
        """Check that the execution is stored."""
        begins.append(bool(await executions_of(talk)))
        yield "ok"

    made = agent_of(careful)
    assert made is not None
    monkeypatch.setitem(CODE_AGENTS, "careful", made)
    monkeypatch.setitem(OWN_AGENTS, "careful", made.record())
    await prepare(talk, ASKS | {"agentId": "careful"})
    gated.shut()
    begun = starting(talk)
    await gated.held(talk.stores)
    gated.gate.set()
    assert (await types_of(begun))[-1] == "done"
    assert begins == [True]


async def test_flow_that_a_limit_may_refuse_asks_no_model_before_it_is_stored(
    talk: Talk, gated: Gated
) -> None:
    await prepare(talk)
    limits = AllLimits(organization=OrganizationLimits(concurrent_runs=5))
    await talk.stores.limits.change(
        talk.slot.organization, lambda seen: seen.model_copy(update={"limits": limits})
    )
    # As in a process that has just begun: the transaction counts the run.
    talk.stores.limits._cache.clear()
    gated.shut()
    begun = starting(talk)
    await gated.held(talk.stores)
    assert talk.models.requests == []
    gated.gate.set()
    assert (await types_of(begun))[-1] == "done"


async def test_repeated_start_leaves_its_model_and_follows_the_first(
    settings: Settings, talk: Talk, gated: Gated
) -> None:
    await prepare(talk)
    late, silent = await held_up(talk, gated, "key-1")
    first = Talk(settings, Stores.connect(settings))
    first.slot = talk.slot
    await types_of(begun := starting(first, "key-1"))
    gated.gate.set()
    repeated, begun_first = await late, begun.result()
    assert isinstance(repeated, ReplayedRun)
    assert isinstance(begun_first, FlowRun)
    assert repeated.run.id == begun_first.session.run.id
    assert silent.left.is_set()
    # The next one finds the execution, and asks no model at all.
    assert isinstance(await starting(talk, "key-1"), ReplayedRun)
    assert len(talk.models.requests) == 1
    await asyncio.to_thread(first.stores.aws.close)


async def test_client_that_leaves_before_its_flow_is_stored_leaves_no_model_at_work(
    talk: Talk, gated: Gated
) -> None:
    await prepare(talk)
    late, silent = await held_up(talk, gated, "key-1")
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert silent.left.is_set()
    assert await executions_of(talk) == []
    talk.models.turns = [says("Hello")]
    gated.gate.set()
    assert (await types_of(starting(talk, "key-1")))[-1] == "done"


async def test_agents_of_a_flow_are_stored_before_the_first_turn(talk: Talk, gated: Gated) -> None:
    await prepare(talk, tools=["calculator"])
    answering, silent = asyncio.Event(), Silent()
    talk.models.turns = [[ToolCall("call_1", "calculator", {"expression": "1"}), noting(answering)], [silent]]
    gated.shut()
    begun = starting(talk)
    async with asyncio.timeout(WITHIN):
        await answering.wait()
        gated.gate.set()
        found = await begun
        assert isinstance(found, FlowRun)
        await silent.asked.wait()
    run = found.session.run
    work = await talk.stores.nested_work.of_run(Slot(talk.slot.organization, found.execution_id), run.id)
    assert list(work.agents) == ["teller"]
    assert [one.role for each in work.messages.values() for one in each][:2] == ["user", "assistant"]
    await talk.stores.leases.request_stop(run.slot, "stopped")
    await found.session.over()
