"""Durability of runs: a process is killed before and after each write, in turn and at random, with outages
and planned hand-overs in between. There is one history, equal to the uninterrupted one; no completed tool
runs twice; a live message is read once; every client ends with the same view."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, ToolCall, Usage
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import Run
from millrace.services.runs.models import Models
from millrace.settings import Settings
from tests.effort import effort, soak
from tests.services.durable import AGENT, LIVE, LONG, Story, World, check_views, environment
from tests.services.mortal import Blow, Failure, Mortal
from tests.services.scripted import results_of, text_of

__all__ = ["environment"]

SAID = ["I check first. ", "One more thing. ", "That is all. "]
CALLS = [[("check_stock", "stock-1"), ("pay", "pay-1")], [("pay", "pay-2")], []]


class Worker(Models):
    """A model whose turn follows from the history alone, so that one that is asked again says the same."""

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return self, "worker"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        number = sum(message["role"] == "assistant" for message in request.messages)
        number = min(number, len(SAID) - 1)
        for word in SAID[number].split():
            await asyncio.sleep(0.002)  # time for the log to be written in mid-turn
            yield Text(f"{word} ")
        for name, call_id in CALLS[number]:
            yield ToolCall(call_id, name, {})
        yield Finish("tool_use" if CALLS[number] else "stop", Usage(10, 5))


class Shop(World):
    """A run of one agent, which pays twice and is told something meanwhile."""

    models = Worker

    async def hire(self) -> None:
        agent = {"id": AGENT, "name": "Worker", "model": "echo:", "tools": ["check_stock", "pay"]}
        await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(agent))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        check_history(self, history)
        if run.state == "failed":
            return
        assert [text_of(one) for one in history if one.role == "assistant"] == SAID
        assert run.usage is not None
        assert run.usage["output"] >= 15
        view = settled(log)
        assert "".join(one.event["token"] for one in view if one.type == "token") == "".join(SAID)
        expected = {"start": 1, "tool_call": 3, "tool_result": 3, "injected": self.live, "done": 1}
        assert expected.items() <= Counter(one.type for one in view).items() | {("injected", 0)}
        assert len([one for one in history if one.injected]) == self.live


def check_history(world: World, history: list[StoredMessage]) -> None:
    calls = [
        block["toolUse"]["toolUseId"]
        for message in history
        for block in message.content
        if "toolUse" in block
    ]
    assert len(calls) == len(set(calls))
    results: dict[str, str] = {}
    for message in history:
        for block in message.content:
            if "toolResult" in block:
                call_id = block["toolResult"]["toolUseId"]
                assert call_id not in results
                results[call_id] = block["toolResult"]["content"][0]["text"]
    for call_id, text in results.items():
        if call_id.startswith("pay"):
            assert text == "paid" or "nobody knows" in text or "stopped before" in text
            assert text != "paid" or world.paid[call_id] == 1
    live = [text_of(message) for message in history if message.injected]
    assert live == [LIVE][: len(live)]
    steps = [step["id"] for one in history for step in one.steps if step["type"] == "tool_result"]
    assert len(steps) == len(set(steps))
    assert len([one for one in history if results_of(one)]) <= len(results)


@pytest.fixture
def story(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(Shop, environment, monkeypatch)


async def test_uninterrupted_run_is_as_the_others_must_be(story: Story) -> None:
    assert (await story.play([])).deaths == 0


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


async def test_step_that_ends_three_processes_fails_the_run(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process begins the run with its first write; the others take it over with theirs."""
    aws = Mortal(environment.region, [[Blow(2, "kill before")] for _ in range(3)])
    world = Shop(environment, aws)
    run = await world.play(monkeypatch)
    assert (run.state, run.error and run.error["code"]) == ("failed", "step_keeps_failing")
    assert run.error is not None
    assert run.error["step"] == "model echo:"
    assert run.error["retryable"] is False
    assert aws.deaths == 3
    check_views(world, await world.log(run))
