"""Agents of the OpenAI Agents SDK in our loop: streamed, asked, with live messages, and killed."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("agents", reason="openai-agents is not installed")

from agents import Agent, GuardrailFunctionOutput, RunConfig, function_tool, handoff, input_guardrail
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage

from millrace.agent.tools.ask_user import ask_user
from millrace.errors import ToolError
from millrace.frameworks.openai_agents import openai_agent
from millrace.testing import Stage as Project
from tests.agent.code.playing import Control, Lost, Stage

QUIET = RunConfig(tracing_disabled=True)
ASKED = "What is the weather in Tokyo?"
CALLS = {"Triage": 1, "Clerk": 3, "weather": 1, "pay": 1}


def items(call: ModelCall, kind: str) -> list[Any]:
    assert isinstance(call.input, list)
    return [one for one in call.input if isinstance(one, dict) and one.get("type") == kind]


def said_by_users(call: ModelCall) -> list[str]:
    assert isinstance(call.input, list)
    return [str(one["content"]) for one in call.input if isinstance(one, dict) and one.get("role") == "user"]


class Office:
    """A triage agent that hands over to a clerk with two tools; its models answer by what they are sent."""

    def __init__(self, *, ask: bool = False, as_object: bool = False) -> None:
        self.done: Counter[str] = Counter()
        self.asked: list[list[str]] = []

        @function_tool
        def weather(city: str) -> str:
            """Return the weather."""
            self.done["weather"] += 1
            return f"sunny in {city}"

        @function_tool(needs_approval=ask)
        async def pay(amount: int) -> dict[str, int]:
            """Pay."""
            self.done["pay"] += 1
            return {"paid": amount}

        self.clerk = Agent(name="Clerk", model=self.model(self._clerk), tools=[weather, pay])
        over = handoff(self.clerk) if as_object else self.clerk
        self.triage = Agent(name="Triage", model=self.model(self._triage), handoffs=[over])

    def model(self, answer: Callable[[ModelCall], Any]) -> ScriptedModel:
        return ScriptedModel([ModelStep.respond(answer)] * 20, default_usage=Usage(1, 10, total_tokens=15))

    def _triage(self, call: ModelCall) -> Any:
        self.done["Triage"] += 1
        return [function_call("transfer_to_clerk", {}, call_id="over")]

    def _clerk(self, call: ModelCall) -> Any:
        self.done["Clerk"] += 1
        self.asked.append(said_by_users(call))
        results = items(call, "function_call_output")
        if len(results) == 1:  # that of the handoff
            return [assistant_message("I see. "), function_call("weather", {"city": "Tokyo"}, call_id="one")]
        if len(results) == 2:
            return [function_call("pay", {"amount": 7}, call_id="two")]
        return [assistant_message(f"It is {results[1]['output']}: {results[2]['output']}")]

    def stage(self, **more: Any) -> Stage:
        return Stage(openai_agent("office", self.triage, run_config=QUIET, **more))


WHOLE = "I see. It is sunny in Tokyo: {'paid': 7}"


@pytest.mark.parametrize("as_object", [False, True])
async def test_answer_is_streamed_with_handoffs_and_tools_as_steps(as_object: bool) -> None:
    office = Office(as_object=as_object)
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
async def test_process_that_takes_over_repeats_one_call_at_most(dies: int) -> None:
    office = Office()
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


async def test_call_that_must_not_be_repeated_ends_the_run_where_it_was_interrupted() -> None:
    office = Office()
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


async def test_live_message_reaches_the_next_call_of_the_model() -> None:
    office = Office()
    played = office.stage()
    played.live.append("be quick")
    assert await played.ask(ASKED) == "stop"
    assert office.asked == [[ASKED, "be quick"]] * 3


async def test_stop_ends_the_model() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless(call: ModelCall) -> Any:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    made = Agent(name="Endless", model=ScriptedModel([ModelStep.respond(endless)]))
    played = Stage(openai_agent("endless", made, run_config=QUIET))
    asking = asyncio.create_task(played.ask("Go on."))
    async with asyncio.timeout(30):
        await began.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await ended.wait()


@pytest.mark.parametrize(
    ("decision", "content", "answer"),
    [
        ("answer", "approve", WHOLE),
        ("answer", "reject", "I see. It is sunny in Tokyo: The call was rejected."),
        ("answer", "Too much.", "I see. It is sunny in Tokyo: The call was rejected: Too much."),
    ],
)
def test_tool_that_needs_approval_waits_for_a_person(decision: Any, content: str, answer: str) -> None:
    office = Office(ask=True)
    made = openai_agent("office", office.triage, run_config=QUIET)
    played = Project(made, tools=[ask_user])
    played.ask(ASKED)
    [waiting] = played.waiting
    assert waiting.prompt == 'May pay be called with {"amount":7}?'
    assert office.done["pay"] == 0
    assert played.answer(decision=decision, content=content) == answer
    assert office.done["pay"] == (content == "approve")
    assert office.done["Clerk"] == 3


async def test_guardrail_ends_the_run_in_words() -> None:
    @input_guardrail
    async def homework(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    office = Office()
    office.triage.input_guardrails = [homework]
    with pytest.raises(ToolError, match="The guardrail homework has stopped the run"):
        await office.stage().ask(ASKED)


async def test_run_with_too_many_turns_ends_as_ours_do() -> None:
    assert await Office().stage(max_turns=2).ask(ASKED) == "max_iterations"


async def test_typed_output_is_said_as_json_and_context_has_the_user() -> None:
    seen: list[str] = []

    @function_tool
    def note(context: Any) -> str:
        """Note the user."""
        return ""

    def answer(call: ModelCall) -> Any:
        return [assistant_message('{"city": "Kyoto"}')]

    def instructions(context: Any, agent: Any) -> str:
        seen.append(context.context)
        return "Answer."

    made = Agent[str](name="Typed", instructions=instructions, output_type=dict[str, str],
                      model=ScriptedModel([ModelStep.respond(answer)]))  # fmt: skip
    made.output_type = None
    played = Stage(openai_agent("typed", made, run_config=QUIET, context=lambda ctx: ctx.user.id))
    assert await played.ask("Where to?") == "stop"
    assert played.text == '{"city": "Kyoto"}'
    assert seen == ["user"]
