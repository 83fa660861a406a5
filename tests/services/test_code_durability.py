"""Agents in code whose processes die: completed work is stored and not repeated."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.tools.function import repeatable, tool
from millrace.agent.tools.tool import ToolContext
from millrace.app import AgentContext, ToolError, agent
from millrace.domain.agents import OWN_AGENTS, Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import Run
from millrace.services.runs.models import Models
from millrace.settings import Settings
from tests.effort import effort, soak
from tests.services.durable import AGENT, LIVE, LONG, Story, World, environment
from tests.services.live import inject
from tests.services.mortal import Blow, Failure, Killed
from tests.services.scripted import text_of

__all__ = ["environment"]

SAID = "I look first. The left one. The right one. Both are done. "
planned: Counter[str] = Counter()


async def plan() -> list[str]:
    await asyncio.sleep(0.002)
    planned["plan"] += 1
    return ["left", "right"]


@agent("cashier", tools=["check_stock", "pay"])
async def cashier(ctx: AgentContext) -> AsyncIterator[str]:
    """Pays twice, and is told something meanwhile."""
    if ctx.message == LIVE:
        yield "I hurry. "
        return
    for word in ("I ", "look ", "first. "):
        await asyncio.sleep(0.002)  # time for the log to be written in mid-turn
        yield word
    for side in await ctx.step("plan", plan):
        yield f"The {side} one. "
        try:
            await asyncio.gather(ctx.call_tool("check_stock"), ctx.call_tool("pay", side=side))
        except ToolError as error:
            if "nobody knows" not in error.message:
                raise
    yield "Both are done. "


class Till(World):
    """A run of an agent in code."""

    models = Models

    def tools(self) -> dict[str, Any]:
        @repeatable
        async def check_stock() -> str:
            """Check the stock."""
            await asyncio.sleep(0.004)
            return "seen"

        async def pay(side: str, context: ToolContext) -> str:
            """Pay one side."""
            if self.aws.dead:
                raise Killed
            self.paid[side] += 1
            if side == "left":
                await inject(self.others, self.talk.slot, LIVE, "live", author="user")
                self.live = 1
            return "paid"

        return {"check_stock": tool(check_stock), "pay": tool(pay)}

    async def hire(self) -> None:
        made = {"id": AGENT, "name": "Worker", "model": "code:cashier", "tools": ["check_stock", "pay"]}
        await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(made))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        if run.state == "failed":
            return
        expected = SAID + "I hurry. " * self.live
        assert "".join(text_of(one) for one in history if one.role == "assistant") == expected
        view = settled(log)
        assert "".join(one.event["token"] for one in view if one.type == "token") == expected
        kinds = Counter(one.type for one in view)
        assert (kinds["tool_call"], kinds["tool_result"]) == (5, 5)
        assert [text_of(one) for one in history if one.injected] == [LIVE] * self.live


@pytest.fixture
def story(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Story:
    made = agent_of(cashier)
    assert made is not None
    monkeypatch.setitem(CODE_AGENTS, "cashier", made)
    monkeypatch.setitem(OWN_AGENTS, "cashier", made.record())
    planned.clear()
    return Story(Till, environment, monkeypatch)


async def test_uninterrupted_run_is_as_the_others_must_be(story: Story) -> None:
    assert (await story.play([])).deaths == 0
    assert planned["plan"] == 1


async def test_hand_over_at_each_step_goes_on_without_doing_it_again(story: Story) -> None:
    await story.play([], leaving=[True] * 8)
    assert planned["plan"] == 1


@soak
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("failure", ["kill before", "kill after"])
async def test_run_survives_a_death_at_each_of_its_writes(story: Story, failure: Failure) -> None:
    """In the short form at every third."""
    await story.play_with_a_death_at_each_write(failure, effort(3, 1))


@soak
@pytest.mark.timeout(LONG)
def test_run_survives_any_deaths_outages_and_hand_overs(story: Story) -> None:
    story.play_with_anything(last_write=14)


@agent("boss", tools=["agent:payer"])
async def boss(ctx: AgentContext) -> AsyncIterator[str]:
    """Has another agent pay, twice at once."""
    yield "I ask. "
    answers = await asyncio.gather(ctx.ask_agent("payer", "left"), ctx.ask_agent("payer", "right"))
    yield " ".join(answers)


@agent("paying", tools=["check_stock", "pay"])
async def payer(ctx: AgentContext) -> AsyncIterator[str]:
    """Pays what it is told."""
    await ctx.step("plan", plan)
    yield "I look first. "
    try:
        await ctx.call_tool("pay", side=ctx.message)
    except ToolError as error:
        if "nobody knows" not in error.message:
            raise
    yield f"{ctx.message} is paid."


class Nested(Till):
    """An agent in code that another one asks."""

    def tools(self) -> dict[str, Any]:
        async def pay(side: str) -> str:
            """Pay one side."""
            if self.aws.dead:
                raise Killed
            self.paid[side] += 1
            return "paid"

        return super().tools() | {"pay": tool(pay)}

    async def hire(self) -> None:
        for id, model, tools in (
            (AGENT, "code:boss", ["agent:payer"]),
            ("payer", "code:paying", ["check_stock", "pay"]),
        ):
            made = {"id": id, "name": id.title(), "model": model, "tools": tools}
            await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(made))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        if run.state == "failed":
            return
        said = "".join(text_of(one) for one in history if one.role == "assistant")
        assert said == "I ask. left is paid. right is paid."


LINES = effort(25, 150)
LINE = "x" * 9_000


@agent("clerk")
async def clerk(ctx: AgentContext) -> AsyncIterator[str]:
    """Does many steps with large results."""
    for number in range(LINES):
        line = await ctx.step("line", write, number)
        if line != f"{number} {LINE}":
            raise AssertionError(line[:100])
        yield f"{number} "


async def write(number: int) -> str:
    planned[f"line {number}"] += 1
    return f"{number} {LINE}"


class Long(Till):
    """A run with more than any model is sent: a process that takes it over needs all of it."""

    async def hire(self) -> None:
        made = {"id": AGENT, "name": "Clerk", "model": "code:clerk", "limits": {"maxIterations": 200}}
        await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(made))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        said = "".join(text_of(one) for one in history if one.role == "assistant")
        assert said == "".join(f"{number} " for number in range(LINES))


@pytest.fixture
def known(story: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    for function in (boss, payer, clerk):
        made = agent_of(function)
        assert made is not None
        monkeypatch.setitem(CODE_AGENTS, made.id, made)
        monkeypatch.setitem(OWN_AGENTS, made.id, made.record())
    return story


@soak
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("failure", ["kill before", "kill after"])
async def test_agent_in_code_that_works_for_another_survives_deaths(known: Story, failure: Failure) -> None:
    await replace(known, kind=Nested).play_with_a_death_at_each_write(failure, effort(9, 1))


async def test_run_with_more_than_a_model_is_sent_is_taken_over_whole(known: Story) -> None:
    await replace(known, kind=Long).play([[Blow(2 * LINES, "kill after")]])
    assert len(planned) == LINES
    assert sum(planned.values()) <= LINES + 1
