"""A LangGraph graph on the real store, whose processes die: nothing is lost or said twice."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.domain.agents import OWN_AGENTS, Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import Run
from millrace.services.runs.models import Models
from millrace.settings import Settings
from tests.effort import effort
from tests.services.durable import AGENT, Story, World, environment
from tests.services.scripted import text_of

__all__ = ["environment"]

pytestmark = pytest.mark.skipif(find_spec("langgraph") is None, reason="LangGraph is not installed")
SAID = "I am first. I am second. I am third. "


class Graph(World):
    """A run of a graph with another one inside."""

    models = Models

    def tools(self) -> dict[str, Any]:
        return {}

    async def hire(self) -> None:
        made = {"id": AGENT, "name": "Worker", "model": "code:nested", "tools": []}
        await self.others.agents.create(self.talk.slot.organization, Agent.model_validate(made))

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        assert run.state == "completed"
        assert "".join(text_of(one) for one in history if one.role == "assistant") == SAID
        assert "".join(one.event["token"] for one in settled(log) if one.type == "token") == SAID


@pytest.fixture
def story(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Story:
    graphs = import_module("tests.frameworks.graphs")
    made = agent_of(graphs.langgraph_agent("nested", graphs.nested()))
    assert made is not None
    monkeypatch.setitem(CODE_AGENTS, "nested", made)
    monkeypatch.setitem(OWN_AGENTS, "nested", made.record())
    return Story(Graph, environment, monkeypatch)


async def test_uninterrupted_graph_is_as_the_others_must_be(story: Story) -> None:
    assert (await story.play([])).deaths == 0


async def test_death_at_a_write_takes_nothing_back_that_was_stored(story: Story) -> None:
    await story.play_with_a_death_at_each_write("kill after", effort(12, 1))
    await story.play_with_a_death_at_each_write("kill before", effort(25, 1))
