"""Agents that work for others, under every death: a process that takes over goes on inside their work. One
history, equal to the uninterrupted one; no completed tool runs twice, at any depth; every client ends with
the same view, in which each word of each agent stands once."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from typing import Any

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
from tests.services.durable import AGENT, LONG, Story, World, environment
from tests.services.mortal import Failure
from tests.services.scripted import results_of, text_of

__all__ = ["environment"]

TASKS = [("ask_payer", "left", {"task": "Pay left."}), ("ask_payer", "right", {"task": "Pay right."})]
SAID: dict[str, list[tuple[str, list[tuple[str, str, dict[str, Any]]]]]] = {
    AGENT: [("I ask two. ", TASKS), ("Both are done. ", [])],
    "payer": [
        ("I look first. ", [("check_stock", "look", {}), ("ask_clerk", "deep", {"task": "Pay."})]),
        ("The clerk has paid. ", []),
    ],
    "clerk": [("I pay now. ", [("pay", "pay", {})]), ("Paid. ", [])],
}


class Worker(Provider):
    """The model of one agent: what it says follows from its history alone."""

    def __init__(self, agent: str) -> None:
        self._turns = SAID[agent]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        number = sum(message["role"] == "assistant" for message in request.messages)
        text, calls = self._turns[min(number, len(self._turns) - 1)]
        for word in text.split():
            await asyncio.sleep(0.002)  # time for the log to be written in mid-turn
            yield Text(f"{word} ")
        for name, call_id, arguments in calls:
            yield ToolCall(call_id, name, arguments)
        yield Finish("tool_use" if calls else "stop", Usage(10, 5))


class Workers(Models):
    """The models of all agents."""

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return Worker(agent.id), "worker"


class Office(World):
    """A run whose agent asks another one twice at once, which asks a third."""

    models = Workers

    async def hire(self) -> None:
        for id, tools in (
            (AGENT, ["agent:payer"]),
            ("payer", ["check_stock", "agent:clerk"]),
            ("clerk", ["pay"]),
        ):
            made = {"id": id, "name": id.title(), "model": "echo:", "tools": tools}
            await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(made))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        if run.state == "failed":
            return
        said = [text_of(one) for one in history if one.role == "assistant"]
        assert said == [text for text, _ in SAID[AGENT]]
        assert [text for one in history for text in results_of(one)] == ["The clerk has paid. "] * 2
        check_depths(settled(log))
        steps = [step["id"] for one in history for step in one.steps if step["type"] == "tool_result"]
        assert len(steps) == len(set(steps)) == 8
        thoughts = [step for one in history for step in one.steps if step["type"] == "thinking"]
        assert len("".join(step["text"] for step in thoughts)) == len("".join(nested_words()))
        assert run.usage is not None
        assert run.usage["output"] >= 5 * (2 + 2 * 2 + 2 * 2)


def nested_words() -> list[str]:
    return [said for agent in ("payer", "clerk") for _ in range(2) for said, _ in SAID[agent]]


def check_depths(view: list[LogEntry]) -> None:
    """Each agent has said its words once, each call has one result, and nobody else's."""
    said: dict[str, str] = defaultdict(str)
    calls, results = Counter[str](), Counter[str]()
    for one in view:
        parent = one.event.get("parent", "")
        if one.type == "token":
            said[parent] += one.event["token"]
        elif one.type == "tool_call":
            calls[f"{parent} {one.event['id']}"] += 1
        elif one.type == "tool_result":
            results[f"{parent} {one.event['id']}"] += 1
    assert calls == results
    assert set(calls.values()) == {1}
    assert len(calls) == 8
    whole = {agent: "".join(text for text, _ in turns) for agent, turns in SAID.items()}
    assert said.pop("") == whole[AGENT]
    assert Counter(said.values()) == {whole["payer"]: 2, whole["clerk"]: 2}


@pytest.fixture
def story(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(Office, environment, monkeypatch)


async def test_uninterrupted_work_is_as_the_others_must_be(story: Story) -> None:
    assert (await story.play([])).deaths == 0


@soak
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("failure", ["kill before", "kill after"])
async def test_work_survives_a_death_at_each_of_its_writes(story: Story, failure: Failure) -> None:
    """In the short form at every fifth."""
    await story.play_with_a_death_at_each_write(failure, effort(5, 1))


@soak
@pytest.mark.timeout(LONG)
def test_work_survives_any_deaths_outages_and_hand_overs(story: Story) -> None:
    story.play_with_anything(last_write=20)
