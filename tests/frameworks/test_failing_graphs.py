"""Graphs and chains whose models fail temporarily: finished work is not repeated, and nothing is said
twice."""

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from millrace.agent.code import model as models
from millrace.agent.suspension import Suspended
from millrace.errors import ProviderError, ToolError
from millrace.testing import Stage as Project
from tests.agent.code.playing import Stage

pytestmark = pytest.mark.skipif(find_spec("langchain") is None, reason="LangChain is not installed")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with the graphs, whose import takes a second."""
    monkeypatch.setattr(models, "wait_before_retry", lambda error, attempt: 0)
    return import_module("tests.frameworks.failing_graphs")


async def test_only_the_node_that_failed_begins_anew(graphs: Any) -> None:
    busy = graphs.Busy(2)
    played = Stage(graphs.langgraph_agent("graph", graphs.in_a_row(busy)))
    assert await played.ask("Go on.") == "stop"
    assert played.text == "early late "
    assert busy.done == {"early": 1, "late": 3}
    assert len(played.of("status")) == 2


async def test_run_that_is_queued_goes_on_with_the_node_that_failed(graphs: Any) -> None:
    busy = graphs.Busy(3)
    played = Stage(graphs.langgraph_agent("graph", graphs.in_a_row(busy)))
    played.queue()
    with pytest.raises(Suspended):
        await played.ask("Go on.")
    assert await played.go_on() == "stop"
    assert played.text == "early late "
    assert busy.done == {"early": 1, "late": 4}


async def test_node_that_has_spoken_is_not_repeated(graphs: Any) -> None:
    busy = graphs.Busy(1)
    played = Stage(graphs.langgraph_agent("graph", graphs.at_once(busy)))
    with pytest.raises(ProviderError, match="answered 429"):
        await played.ask("Go on.")
    assert played.text == "early "
    assert busy.done == {"early": 1, "late": 1}


async def test_failure_of_own_code_is_none_of_a_model(graphs: Any) -> None:
    played = Stage(graphs.langgraph_agent("graph", graphs.without_a_model()))
    with pytest.raises(graphs.Throttled):
        await played.ask("Go on.")
    assert played.of("status") == []


async def test_failure_beside_a_tool_at_work_ends_the_run(graphs: Any) -> None:
    played = Stage(graphs.langgraph_agent("graph", graphs.beside_a_tool()))
    async with asyncio.timeout(60):
        with pytest.raises(LookupError):
            await played.ask("Go on.")


async def test_tool_that_must_not_be_repeated_is_not_where_its_node_begins_anew(graphs: Any) -> None:
    busy = graphs.Busy(1)
    played = Stage(graphs.langgraph_agent("graph", graphs.payer(busy), once=["pay"]))
    with pytest.raises(ToolError, match="The call of pay was interrupted"):
        await played.ask("Go on.")
    assert busy.done["pay"] == 1


async def test_chain_is_asked_again_before_it_has_said_anything(graphs: Any) -> None:
    busy = graphs.Busy(2)
    played = Stage(graphs.langchain_agent("chain", graphs.joke(busy.model("late"))))
    assert await played.ask("Go on.") == "stop"
    assert played.text == "late "
    assert busy.done["late"] == 3


def test_answer_of_a_person_is_kept_where_the_node_begins_anew(graphs: Any) -> None:
    busy = graphs.Busy(2)
    played = Project(graphs.langgraph_agent("graph", graphs.asker(busy)))
    played.ask("Go on.")
    assert played.answer(decision="answer", content="yes") == "late "
    assert played.waiting == []
    assert busy.done == {"yes": 3, "late": 3}
