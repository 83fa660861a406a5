"""A run that works while it is being stored: nothing is reported, stored or done before that."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.model import ToolCall
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.app import AgentContext, agent
from millrace.domain.agents import OWN_AGENTS, Agent
from millrace.domain.limits import AllLimits, OrganizationLimits
from millrace.errors import Conflict, TooManyRequests, Unavailable
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores import limits
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of
from tests.clock import Clock
from tests.services.gated import WITHIN, Gated, Silent, clock, gated, talk
from tests.services.scripted import Talk, says, text_of

__all__ = ["clock", "gated", "talk"]


async def limit(talk: Talk, **given: int) -> None:
    """Limit the organization, which the process knows."""
    found = AllLimits(organization=OrganizationLimits(**given))
    organization = talk.slot.organization
    await talk.stores.limits.change(organization, lambda seen: seen.model_copy(update={"limits": found}))
    await talk.stores.limits.control(organization)


async def all_types(talk: Talk, starting: "asyncio.Task[RunSession]") -> list[str]:
    """The types of the events of a run, from its start to its end."""
    session = await starting
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert [one.seq for one in seen] == list(range(1, len(seen) + 1))
    log = await talk.stores.log.read(stream_of(talk.slot.organization, session.run.id))
    assert [one.data for one in log] == [one.data for one in seen]
    return [one.type for one in seen]


async def test_model_answers_while_the_message_is_stored_and_nothing_is_told_before(
    talk: Talk, gated: Gated
) -> None:
    answered = asyncio.Event()

    async def note() -> None:
        answered.set()

    talk.models.turns = [[*says("Hello"), note]]
    gated.shut()
    starting = asyncio.create_task(talk.start("Hi"))
    async with asyncio.timeout(WITHIN):
        await answered.wait()
        await gated.reached.wait()
    assert not starting.done()
    assert (await talk.stores.leases.peek(talk.slot)).run_id is None
    assert await talk.messages() == []
    gated.gate.set()
    assert await all_types(talk, starting) == ["start", "token", "done"]
    assert [text_of(one) for one in await talk.messages()] == ["Hi", "Hello"]


async def test_tool_runs_once_the_message_is_stored(
    talk: Talk, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, called = asyncio.Event(), list[bool]()

    async def note() -> None:
        asked.set()

    async def check() -> str:
        """Check that the message is stored."""
        called.append((await talk.stores.leases.peek(talk.slot)).run_id is not None)
        return "seen"

    monkeypatch.setitem(BUILT_IN, "check", tool(check))
    given = {"id": "checker", "name": "Checker", "model": "echo:", "tools": ["check"]}
    await talk.stores.agents.create(talk.slot.organization, Agent.model_validate(given))
    talk.models.turns = [[ToolCall("call_1", "check", {}), note], says("Done")]
    gated.shut()
    starting = asyncio.create_task(talk.start("Hi", agent_id="checker"))
    async with asyncio.timeout(WITHIN):
        await asked.wait()
    gated.gate.set()
    assert await all_types(talk, starting) == ["start", "tool_call", "tool_result", "token", "done"]
    assert called == [True]


async def test_refused_message_leaves_its_model_and_counts_what_it_has_used(
    settings: Settings, talk: Talk, gated: Gated, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CACHE_SECONDS", 3600.0)
    await limit(talk, tokens_per_day=1_000_000, requests_per_minute=2)
    silent = Silent()
    talk.models.turns = [[silent]]
    gated.shut()
    late = asyncio.create_task(talk.start("I come late"))
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
    first = Talk(settings, Stores.connect(settings, clock=clock))
    first.slot = talk.slot
    answering = Silent()
    first.models.turns = [[answering]]
    running = await first.start("I am first")
    gated.gate.set()
    with pytest.raises(Conflict) as refused:
        await late
    assert refused.value.code == "run_active"
    assert silent.left.is_set()
    assert len(talk.models.requests) == 1, "a second try asks no model before it is stored"
    assert [text_of(one) for one in await talk.messages()] == ["I am first"]
    used = await talk.stores.limits.standing(talk.slot.organization, {"organization": ""})
    assert used.used["organization"].tokens > 0
    with pytest.raises(TooManyRequests):
        await talk.start("The third", thread_id="t1")
    await first.stores.leases.request_stop(talk.slot, "stopped")
    await running.over()
    await asyncio.to_thread(first.stores.aws.close)


async def test_message_that_is_not_stored_for_an_outage_leaves_its_model(talk: Talk, gated: Gated) -> None:
    silent = Silent()
    talk.models.turns = [[silent]]
    gated.shut(Unavailable("an outage, as the test wants it"))
    starting = asyncio.create_task(talk.start("Hi"))
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
        gated.gate.set()
        with pytest.raises(Unavailable):
            await starting
    assert silent.left.is_set()
    assert await talk.messages() == []
    assert (await talk.say("Hi again"))[-1].type == "done"


async def test_simultaneous_messages_in_one_process_ask_a_model_once(talk: Talk, gated: Gated) -> None:
    silent = Silent()
    talk.models.turns = [[silent]]
    gated.shut()
    sent = list[asyncio.Task[object]]()
    try:
        async with asyncio.timeout(WITHIN):
            sent += [asyncio.create_task(talk.start("Hi")) for _ in range(3)]
            await gated.reached.wait()
            await silent.asked.wait()
            # The others let its write pass, which would else be refused for one of theirs.
            for _ in range(6000):
                if len(talk.stores.leases.begun._waiting[talk.slot.key]) == 2:
                    break
                await asyncio.sleep(0.01)
        assert len(talk.models.requests) == 1
    finally:
        for one in sent:
            one.cancel()
        await asyncio.gather(*sent, return_exceptions=True)
    assert silent.left.is_set()
    assert await talk.messages() == []


async def test_message_that_a_limit_may_refuse_asks_no_model_before_it_is_stored(
    talk: Talk, gated: Gated
) -> None:
    await limit(talk, concurrent_runs=5)
    # As in a process that has just begun: the transaction counts the run.
    talk.stores.limits._cache.clear()
    gated.shut()
    starting = asyncio.create_task(talk.start("Hi"))
    await gated.held(talk.stores)
    assert talk.models.requests == []
    gated.gate.set()
    assert await all_types(talk, starting) == ["start", "token", "done"]


async def test_agent_in_code_begins_once_the_message_is_stored(
    talk: Talk, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[bool]()

    @agent("careful")
    async def careful(ctx: AgentContext) -> AsyncIterator[str]:
        """Check that the message is stored."""
        begun.append((await talk.stores.leases.peek(talk.slot)).run_id is not None)
        yield "ok"

    made = agent_of(careful)
    assert made is not None
    monkeypatch.setitem(CODE_AGENTS, "careful", made)
    monkeypatch.setitem(OWN_AGENTS, "careful", made.record())
    gated.shut()
    starting = asyncio.create_task(talk.start("Hi", agent_id="careful"))
    await gated.held(talk.stores)
    gated.gate.set()
    assert await all_types(talk, starting) == ["start", "token", "done"]
    assert begun == [True]
