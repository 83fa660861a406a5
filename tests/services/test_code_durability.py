"""Agents in code under every death: what their functions have done is stored and is not done again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
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
from millrace.services.runs.inject import inject
from millrace.services.runs.models import Models
from millrace.settings import Settings
from tests.effort import effort, soak
from tests.services.durable import AGENT, LIVE, LONG, Story, World, environment
from tests.services.mortal import Failure, Killed
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
