"""Chains and agents of LangChain in our loop."""

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from millrace.testing import ProcessLost, Stage
from tests.agent.code.playing import Stage as AsyncStage
from tests.frameworks.guide import example

pytestmark = pytest.mark.skipif(find_spec("langchain") is None, reason="LangChain is not installed")


@pytest.fixture
def chains() -> Any:
    """The module with the chains, whose import takes a second."""
    return import_module("tests.frameworks.chains")


def test_chain_streams_its_answer(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: f"Why did the {messages[0].text[-6:]} cross?")
    stage = Stage(chains.langchain_agent("joker", chains.joke(model)))
    assert stage.ask("parrot") == "Why did the parrot cross? "
    assert len([one for one in stage.events if one["type"] == "token"]) > 3
    assert model.asked == [["tell me a joke about parrot"]]
    assert stage._budget.usage()["input"] == 10


def test_chain_gets_the_conversation_in_its_placeholder(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: "yes")
    stage = Stage(chains.langchain_agent("chat", chains.chat(model)))
    stage.ask("First?")
    stage.ask("Second?")
    assert model.asked == [["First?"], ["First?", "Second?"]]


def test_model_alone_is_an_agent(chains: Any) -> None:
    stage = Stage(chains.langchain_agent("model", chains.FakeModel(answer=lambda messages: "Hello there")))
    assert stage.ask("Hi") == "Hello there "


def test_answer_is_what_the_chain_streams_and_not_what_its_models_say(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: messages[-1].text)
    stage = Stage(chains.langchain_agent("loud", chains.loud(model)))
    assert stage.ask("quiet please") == "QUIET PLEASE "


def test_result_that_is_no_text_is_said_as_json_or_by_its_output(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: '{"city": "Kyoto"}')
    assert Stage(chains.langchain_agent("typed", chains.typed(model))).ask("Where?") == '{"city":"Kyoto"}'
    made = chains.langchain_agent("typed", chains.typed(model), output=lambda value: value["city"])
    assert Stage(made).ask("Where?") == "Kyoto"


def test_tools_of_a_chain_are_steps_and_its_events_are_shown(chains: Any) -> None:
    stage = Stage(chains.langchain_agent("worker", chains.worker()))
    assert stage.ask("7") == "14"
    stage.assert_events("status:Doubling", "tool_call:step__double", ..., "token:14", ...)


def test_tool_runs_with_arguments_that_json_cannot_hold(chains: Any) -> None:
    stage = Stage(chains.langchain_agent("worker", chains.worker()))
    assert stage.ask("1" + "0" * 25) == "2" + "0" * 25
    [call] = [one for one in stage.events if one["type"] == "tool_call"]
    assert call["arguments"] == {"number": 1e25}


def test_official_agent_calls_its_tool_and_answers(chains: Any) -> None:
    stage = Stage(chains.langchain_agent("weather", chains.weather(chains.FakeModel(answer=chains.forecast))))
    assert stage.ask("what is the weather in sf") == "It's always sunny in sf! "
    shown = [one["name"] for one in stage.events if one["type"] == "tool_call"]
    assert shown == ["step__model", "step__get_weather", "step__tools", "step__model"]


def test_chain_whose_process_is_lost_begins_anew(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: "A parrot.")
    made = chains.langchain_agent("joker", chains.joke(model))
    with pytest.raises(ProcessLost):
        (stage := Stage(made)).ask("parrot", lost_at=1)
    stage.go_on()
    assert stage.text == "A parrot. "
    assert len(model.asked) == 2


def test_live_message_for_a_chain_is_a_message_of_its_own(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: f"You said {messages[-1].text}.")
    stage = Stage(chains.langchain_agent("chat", chains.chat(model)))
    stage.send_live("and this")
    assert stage.ask("First") == "You said First. You said and this. "


async def test_stop_cancels_the_call_of_the_model(chains: Any) -> None:
    model = chains.FakeModel(answer=lambda messages: "One two three", hold=True)
    stage = AsyncStage(chains.langchain_agent("endless", chains.joke(model)))
    asking = asyncio.create_task(stage.ask("Go on."))
    async with asyncio.timeout(30):
        await model.held.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await model.ended.wait()


def test_chain_of_several_variables_says_what_it_needs(chains: Any) -> None:
    with pytest.raises(ValueError, match=r"takes a, b; specify its input.*input=lambda ctx: \{'a'"):
        chains.langchain_agent("two", chains.two_variables())


def test_example_of_the_guide_runs() -> None:
    stage = Stage(example("LangChain")["serve"])
    assert stage.ask("bears") == "A bear walks into a bar."
