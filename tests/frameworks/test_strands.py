"""Agents of Strands in our loop: streamed, asked, with live messages, and killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("strands", reason="strands-agents is not installed")

from strands import Agent, tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.models import Model
from strands.types.tools import ToolContext

from millrace.agent.tools.ask_user import ask_user
from millrace.errors import ToolError
from millrace.frameworks.strands import strands_agent
from millrace.testing import Stage as Project
from tests.agent.code.playing import Control, Lost, Stage

ASKED = "How many letters r are in strawberry?"
CALLS = {"model": 3, "count": 1, "pay": 1}
WHOLE = "I count. There are 3: paid 7"


def texts(messages: list[Any], role: str = "user") -> list[str]:
    return [
        block["text"]
        for one in messages
        if one["role"] == role
        for block in one["content"]
        if "text" in block
    ]


def results(messages: list[Any]) -> list[str]:
    blocks = [block for one in messages for block in one["content"] if "toolResult" in block]
    return [block["toolResult"]["content"][0]["text"] for block in blocks]


class Spelling(Model):
    """A model that answers by what it is sent. With `endless` it begins, and waits to be stopped."""

    def __init__(self, *, endless: bool = False) -> None:
        self.asked: list[list[str]] = []
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self._endless = endless

    def update_config(self, **model_config: Any) -> None:
        raise NotImplementedError

    def get_config(self) -> Any:
        return {"model_id": "spelling"}

    def structured_output(self, *given: Any, **more: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *given: Any, **more: Any) -> AsyncIterator[Any]:
        self.asked.append(texts(messages))
        yield {"messageStart": {"role": "assistant"}}
        if self._endless:
            yield {"contentBlockDelta": {"delta": {"text": "One"}}}
            self.began.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
        for event in self._answer(results(messages)):
            yield event
        yield {
            "metadata": {
                "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
                "metrics": {"latencyMs": 1},
            }
        }

    def _answer(self, done: list[str]) -> list[Any]:
        if not done:
            return [
                *said("I ", "count. "),
                *calls("count", '{"word": "strawberry", "letter": "r"}'),
                stop("tool_use"),
            ]
        if len(done) == 1:
            return [*calls("pay", '{"amount": 7}'), stop("tool_use")]
        return [*said("There ", f"are {done[0]}: {done[1]}"), stop("end_turn")]


def stop(reason: str) -> Any:
    return {"messageStop": {"stopReason": reason}}


def said(*pieces: str) -> list[Any]:
    deltas = [{"contentBlockDelta": {"delta": {"text": piece}}} for piece in pieces]
    return [{"contentBlockStart": {"start": {}}}, *deltas, {"contentBlockStop": {}}]


def calls(name: str, given: str) -> list[Any]:
    start = {"start": {"toolUse": {"name": name, "toolUseId": f"use_{name}"}}}
    delta = {"delta": {"toolUse": {"input": given}}}
    return [{"contentBlockStart": start}, {"contentBlockDelta": delta}, {"contentBlockStop": {}}]


class Asking(HookProvider):
    """Asks before anything is paid, as in the documentation of interrupts."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.approve)

    def approve(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "pay":
            approval = event.interrupt("pay-approval", reason=event.tool_use["input"])
            if approval.lower() != "y":
                event.cancel_tool = f"not paid: {approval}"


class Speller:
    """An agent with two tools; `hook` and `inside` have it ask before it pays."""

    def __init__(self, *, hook: bool = False, inside: bool = False) -> None:
        self.done: Counter[str] = Counter()
        self.model = Spelling()

        @tool
        def count(word: str, letter: str) -> int:
            """Count a letter."""
            self.done["count"] += 1
            return word.count(letter)

        @tool(context=True)
        def pay(amount: int, tool_context: ToolContext) -> str:
            """Pay."""
            if inside and tool_context.interrupt("pay-approval", reason={"amount": amount}) != "y":
                return "not paid"
            self.done["pay"] += 1
            return f"paid {amount}"

        self.agent = Agent(
            model=self.model, tools=[count, pay], hooks=[Asking()] if hook else [], callback_handler=None
        )

    def stage(self, **more: Any) -> Stage:
        return Stage(strands_agent("speller", self.agent, **more))

    @property
    def counted(self) -> Counter[str]:
        return self.done + Counter(model=len(self.model.asked))


async def test_answer_is_streamed_and_tools_are_steps() -> None:
    speller = Speller()
    played = speller.stage()
    assert await played.ask(ASKED) == "stop"
    assert [one["token"] for one in played.of("token")] == ["I ", "count. ", "There ", "are 3: paid 7"]
    assert played.text == WHOLE
    assert speller.counted == CALLS
    assert [one["name"] for one in played.of("tool_call") if one["name"] != "step__model"] == [
        "step__count",
        "step__pay",
    ]
    assert played.budget.usage()["input"] == 30
    assert speller.agent.messages == []


@pytest.mark.parametrize("dies", range(8))
async def test_process_that_takes_over_repeats_one_call_at_most(dies: int) -> None:
    speller = Speller()
    played = speller.stage()
    played.messages = [Control("run", [], None).question(ASKED)]
    try:
        await played.go_on(dies)
    except Lost:
        assert await played.go_on() == "stop"
    assert sum((speller.counted - Counter(CALLS)).values()) <= 1
    assert played.text == WHOLE


async def test_call_that_must_not_be_repeated_ends_the_run_where_it_was_interrupted() -> None:
    speller = Speller()
    played = speller.stage(once=["count"])
    played.messages = [Control("run", [], None).question(ASKED)]
    with pytest.raises(Lost):
        await played.go_on(1)
    assert speller.done["count"] == 1
    with pytest.raises(ToolError):
        await played.go_on()
    assert speller.done["count"] == 1
    assert len(speller.model.asked) == 1


async def test_live_message_reaches_the_next_call_of_the_model() -> None:
    speller = Speller()
    played = speller.stage()
    played.live.append("be quick")
    assert await played.ask(ASKED) == "stop"
    assert speller.model.asked == [[ASKED], [ASKED, "be quick"], [ASKED, "be quick"]]


async def test_stop_ends_the_model() -> None:
    model = Spelling(endless=True)
    played = Stage(strands_agent("endless", Agent(model=model, callback_handler=None)))
    asking = asyncio.create_task(played.ask("Go on."))
    async with asyncio.timeout(30):
        await model.began.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await model.ended.wait()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("approved", [False, True])
def test_interrupt_waits_for_a_person(inside: bool, approved: bool) -> None:
    speller = Speller(hook=not inside, inside=inside)
    played = Project(strands_agent("speller", speller.agent), tools=[ask_user])
    played.ask(ASKED)
    [waiting] = played.waiting
    assert waiting.prompt == 'pay-approval: {"amount":7}'
    assert speller.done["pay"] == 0
    answer = played.answer(decision="answer", content="y" if approved else "n")
    assert speller.done["pay"] == approved
    assert speller.counted["model"] == 3
    assert answer.endswith("paid 7" if approved else "not paid" if inside else "not paid: n")


async def test_function_makes_an_agent_for_the_run() -> None:
    speller = Speller()
    users: list[str] = []

    def made(ctx: Any) -> Agent:
        users.append(ctx.user.id)
        return Agent(
            model=speller.model,
            tools=list(speller.agent.tool_registry.registry.values()),
            callback_handler=None,
        )

    played = Stage(strands_agent("made", made))
    assert await played.ask(ASKED) == "stop"
    assert played.text == WHOLE
    assert users == ["user"]
