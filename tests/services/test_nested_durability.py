"""Agents that work for others, under every death: a process that takes over goes on inside their work. One
history, equal to the uninterrupted one; no completed tool runs twice, at any depth; every client ends with
the same view, in which each word of each agent stands once."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, ToolCall, Usage
from millrace.agent.tools.builtin import BUILT_IN
from millrace.domain.agents import Agent
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import Run
from millrace.services.runs.models import Models
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.effort import effort, soak
from tests.services.mortal import Blow, Failure, Mortal
from tests.services.scripted import Talk, results_of, text_of
from tests.services.test_durability import AGENT, EXAMPLES, World, check_views, environment

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

    def __post_init__(self) -> None:
        super().__post_init__()
        self.talk.platform.models = Workers(self.environment, lambda: None)  # type: ignore[arg-type,return-value]
        self.talk.models = self.talk.platform.models  # type: ignore[assignment]


async def hire(environment: Settings, organization: str) -> None:
    agents = Stores.connect(environment).agents
    for id, tools in (
        (AGENT, ["agent:payer"]),
        ("payer", ["check_stock", "agent:clerk"]),
        ("clerk", ["pay"]),
    ):
        made = {"id": id, "name": id.title(), "model": "echo:", "tools": tools}
        await agents.create(organization, Agent.model_validate(made))


async def play_and_check(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    blows: list[list[Blow]],
    leaving: list[bool] | None = None,
) -> Mortal:
    aws = Mortal(environment.region, [list(one) for one in blows])
    office = Office(environment, aws, list(leaving or []))
    for name, made in office.tools().items():
        monkeypatch.setitem(BUILT_IN, name, made)
    await hire(environment, office.talk.slot.organization)
    run = await office.play()
    await check_run(office, run)
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(office.others.aws.close)
    return aws


async def check_run(office: Office, run: Run) -> None:
    log = await office.log(run)
    check_views(office, log)
    assert all(count == 1 for count in office.paid.values()), office.paid
    if run.state == "failed":  # three processes died in one step
        assert office.aws.deaths >= 3
        assert run.error is not None
        assert run.error["code"] == "step_keeps_failing"
        return
    assert run.state == "completed"
    history = await Talk.messages(office.talk)
    assert [text_of(one) for one in history if one.role == "assistant"] == [said for said, _ in SAID[AGENT]]
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


async def test_uninterrupted_work_is_as_the_others_must_be(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = await play_and_check(environment, monkeypatch, [])
    assert aws.deaths == 0


@soak
@pytest.mark.timeout(0 if EXAMPLES > 100 else 300)
@pytest.mark.parametrize("failure", ["kill before", "kill after"])
async def test_work_survives_a_death_at_each_of_its_writes(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    whole = (await play_and_check(environment, monkeypatch, [])).writes[0]
    for write in range(1, whole + 1, effort(5, 1)):
        await play_and_check(environment, monkeypatch, [[Blow(write, failure)]])


BLOWS = st.builds(
    Blow,
    st.integers(1, 20),
    st.sampled_from(["kill before", "kill after", "fault before", "fault after"]),
)


@soak
@pytest.mark.timeout(0 if EXAMPLES > 100 else 300)
def test_work_survives_any_deaths_outages_and_hand_overs(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        blows=st.lists(st.lists(BLOWS, max_size=2), max_size=4),
        leaving=st.lists(st.booleans(), max_size=4),
    )
    def run(blows: list[list[Blow]], leaving: list[bool]) -> None:
        asyncio.run(play_and_check(environment, monkeypatch, blows, leaving))

    run()
