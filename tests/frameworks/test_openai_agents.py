"""Agents of the OpenAI Agents SDK in our loop: streamed, with approvals and live messages, and killed."""

import asyncio
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from millrace.errors import ToolError
from millrace.testing import Stage as Project
from tests.agent.code.playing import Control, Lost, Stage
from tests.frameworks.guide import example

pytestmark = pytest.mark.skipif(find_spec("agents") is None, reason="openai-agents is not installed")

ASKED = "What is the weather in Tokyo?"
CALLS = {"Triage": 1, "Clerk": 3, "weather": 1, "pay": 1}
WHOLE = "I see. It is sunny in Tokyo: {'paid': 7}"


@pytest.fixture
def sdk() -> Any:
    """The module with the agents, whose import takes seconds."""
    return import_module("tests.frameworks.office")


@pytest.mark.parametrize("as_object", [False, True])
async def test_answer_is_streamed_with_handoffs_and_tools_as_steps(sdk: Any, as_object: bool) -> None:
    office = sdk.Office(as_object=as_object)
    played = office.stage()
    assert await played.ask(ASKED) == "stop"
    assert played.text == WHOLE
    assert office.done == CALLS
    assert [one["name"] for one in played.of("tool_call") if one["name"] != "step__model"] == [
        "step__weather",
        "step__pay",
    ]
    assert "Clerk takes over." in [one["message"] for one in played.of("status")]
    assert played.budget.usage()["input"] > 0


@pytest.mark.parametrize("dies", range(8))
async def test_process_that_takes_over_repeats_one_call_at_most(sdk: Any, dies: int) -> None:
    office = sdk.Office()
    played = office.stage()
    played.messages = [Control("run", [], None).question(ASKED)]
    try:
        await played.go_on(dies)
    except Lost:
        assert await played.go_on() == "stop"
    repeated = office.done - Counter(CALLS)
    # The handoff is made without a step of its own: both answers around it are stored with the next one.
    assert sum(repeated.values()) <= 1 or repeated == {"Triage": 1, "Clerk": 1}
    assert played.text == WHOLE


async def test_call_that_must_not_be_repeated_ends_the_run_where_it_was_interrupted(sdk: Any) -> None:
    office = sdk.Office()
    played = office.stage(once=["weather"])
    played.messages = [Control("run", [], None).question(ASKED)]
    dies = 0
    while office.done["weather"] == 0:
        with pytest.raises(Lost):
            await played.go_on(dies)
        dies += 1
    with pytest.raises(ToolError):
        await played.go_on()
    assert office.done["weather"] == 1


async def test_live_message_reaches_the_next_call_of_the_model(sdk: Any) -> None:
    office = sdk.Office()
    played = office.stage()
    played.live.append("be quick")
    assert await played.ask(ASKED) == "stop"
    assert office.asked == [[ASKED, "be quick"]] * 3


async def test_stop_ends_the_model(sdk: Any) -> None:
    endless = sdk.Endless()
    played = Stage(sdk.openai_agent("endless", endless.agent, run_config=sdk.QUIET))
    asking = asyncio.create_task(played.ask("Go on."))
    async with asyncio.timeout(30):
        await endless.began.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await endless.ended.wait()


@pytest.mark.parametrize(
    ("decision", "content", "answer"),
    [
        ("answer", "approve", WHOLE),
        ("answer", "reject", "I see. It is sunny in Tokyo: The call was rejected."),
        ("answer", "Too much.", "I see. It is sunny in Tokyo: The call was rejected: Too much."),
    ],
)
def test_tool_that_needs_approval_waits_for_a_person(
    sdk: Any, decision: Any, content: str, answer: str
) -> None:
    office = sdk.Office(ask=True)
    made = sdk.openai_agent("office", office.triage, run_config=sdk.QUIET)
    played = Project(made)
    played.ask(ASKED)
    [waiting] = played.waiting
    assert waiting.prompt == 'May pay be called with {"amount":7}?'
    assert office.done["pay"] == 0
    assert played.answer(decision=decision, content=content) == answer
    assert office.done["pay"] == (content == "approve")
    assert office.done["Clerk"] == 3


async def test_guardrail_ends_the_run_in_words(sdk: Any) -> None:
    office = sdk.Office()
    office.triage.input_guardrails = [sdk.homework]
    with pytest.raises(ToolError, match="The guardrail homework has stopped the run"):
        await office.stage().ask(ASKED)


async def test_run_with_too_many_turns_ends_as_ours_do(sdk: Any) -> None:
    assert await sdk.Office().stage(max_turns=2).ask(ASKED) == "max_iterations"


async def test_typed_output_is_said_as_json_and_the_context_has_the_user(sdk: Any) -> None:
    seen: list[Any] = []
    made = sdk.openai_agent(
        "typed", sdk.json_sayer(seen), run_config=sdk.QUIET, context=lambda ctx: ctx.user.id
    )
    played = Stage(made)
    assert await played.ask("Where to?") == "stop"
    assert played.text == '{"city": "Kyoto"}'
    assert seen == ["user"]


def test_example_of_the_guide_runs(sdk: Any) -> None:
    import_module("agents").set_tracing_disabled(True)
    stage = Project(example("OpenAI Agents SDK")["serve"], user="ann")
    stage.ask("My money back, please.")
    assert [one.prompt for one in stage.waiting] == ['May refund be called with {"order":"A-1"}?']
    assert stage.answer(decision="answer", content="approve") == "It is done."
    takings = [one["message"] for one in stage.events if one["type"] == "status"]
    assert takings == ["Refunds takes over."]
    stage.assert_events(..., "approval_answered", ..., "tool_call:step__refund", ..., "token:It is done.")
