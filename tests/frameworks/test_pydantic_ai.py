"""pydantic-ai agents in our loop: streamed, stopped, with live messages, and killed at each message."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed")

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from millrace.errors import ToolError
from millrace.frameworks.pydantic_ai import pydantic_ai_agent
from tests.agent.code.playing import Control, Lost, Stage
from tests.frameworks.guide import example


def parts(messages: list[ModelMessage], kind: type[Any]) -> list[Any]:
    return [part for message in messages for part in message.parts if isinstance(part, kind)]


class Croupier:
    """The roulette agent of pydantic-ai's documentation, with a model that follows from the history."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.done: Counter[str] = Counter()
        self.agent = Agent(
            FunctionModel(stream_function=self.model),
            deps_type=int,
            output_type=str,
            system_prompt="Use the `roulette_wheel` function to see if the customer has won.",
        )

        @self.agent.tool
        async def roulette_wheel(ctx: RunContext[int], square: int) -> str:
            """Check if the square is a winner."""
            self.done["wheel"] += 1
            return "winner" if square == ctx.deps else "loser"

        @self.agent.tool_plain
        def pay(amount: int) -> dict[str, int]:
            """Pay out."""
            self.done["pay"] += 1
            if amount < 0:
                raise ModelRetry("Give an amount above 0.")
            return {"paid": amount}

    async def model(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.done["model"] += 1
        self.asked.append([str(one.content) for one in parts(messages, UserPromptPart)])
        results = len(parts(messages, ToolReturnPart))
        if results == 0:
            yield {0: DeltaToolCall("roulette_wheel", '{"square"'), 1: DeltaToolCall("pay", '{"amount": 5}')}
            yield {0: DeltaToolCall(json_args=": 18}")}
        elif results == 2:
            yield {0: DeltaToolCall("pay", '{"amount": 7}')}
        else:
            for piece in ("You ", "have ", "won."):
                yield piece


def stage(croupier: Croupier) -> Stage:
    return Stage(pydantic_ai_agent("croupier", croupier.agent, deps=lambda ctx: 18))


async def test_answer_is_streamed_and_tools_are_steps() -> None:
    croupier = Croupier()
    played = stage(croupier)
    assert await played.ask("Put my money on square eighteen") == "stop"
    assert [one["token"] for one in played.of("token")] == ["You ", "have ", "won."]
    assert played.text == "You have won."
    assert croupier.done == {"model": 3, "wheel": 1, "pay": 2}
    shown = [one["name"] for one in played.of("tool_call")]
    assert "step__roulette_wheel" in shown


CALLS = {"model": 3, "wheel": 1, "pay": 2}


@pytest.mark.parametrize("dies", range(9))
async def test_process_that_takes_over_repeats_one_call_at_most(dies: int) -> None:
    """A model's answer is stored with the tools that it calls, a tool's result by itself: only what was at
    work, or not stored yet, is done again."""
    croupier = Croupier()
    played = stage(croupier)
    played.messages = [Control("run", [], None).question("Put my money on square eighteen")]
    try:
        await played.go_on(dies)
    except Lost:
        assert await played.go_on() == "stop"
    assert sum((croupier.done - Counter(CALLS)).values()) <= 1
    assert all(croupier.done[name] >= count for name, count in CALLS.items())
    assert played.text == "You have won."


async def test_call_that_must_not_be_repeated_ends_the_run_where_it_was_interrupted() -> None:
    croupier = Croupier()
    played = Stage(
        pydantic_ai_agent("croupier", croupier.agent, deps=lambda ctx: 18, once=["roulette_wheel"])
    )
    played.messages = [Control("run", [], None).question("Put my money on square eighteen")]
    with pytest.raises(Lost):
        await played.go_on(1)
    assert croupier.done["wheel"] == 1
    with pytest.raises(ToolError):
        await played.go_on()
    assert croupier.done["wheel"] == 1


async def test_live_message_reaches_the_next_call_of_the_model() -> None:
    croupier = Croupier()
    played = stage(croupier)
    played.live.append("be quick")
    assert await played.ask("Put my money on square eighteen") == "stop"
    assert croupier.asked == [
        ["Put my money on square eighteen"],
        *[["Put my money on square eighteen", "be quick"]] * 2,
    ]


async def test_stop_ends_the_model_and_its_tools() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def model(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield "One"
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    played = Stage(pydantic_ai_agent("endless", Agent(FunctionModel(stream_function=model))))
    asking = asyncio.create_task(played.ask("Go on."))
    async with asyncio.timeout(30):
        await began.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await ended.wait()


async def test_typed_output_is_said_as_json() -> None:
    class City(BaseModel):
        city: str

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, {"city": "Kyoto"})])

    async def streamed(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        yield {0: DeltaToolCall(info.output_tools[0].name, '{"city": "Kyoto"}')}

    made = Agent(FunctionModel(model, stream_function=streamed), output_type=City)
    played = Stage(pydantic_ai_agent("typed", made))
    assert await played.ask("Where to?") == "stop"
    assert json.loads(played.text) == {"city": "Kyoto"}


async def test_tokens_of_its_models_count_for_the_run() -> None:
    played = stage(Croupier())
    await played.ask("Put my money on square eighteen")
    assert played.budget.usage()["input"] > 0


def test_agent_without_a_model_says_so() -> None:
    with pytest.raises(ValueError, match="has no model"):
        pydantic_ai_agent("none", Agent())


async def test_example_of_the_guide_runs() -> None:
    names = example("pydantic-ai")
    played = Stage(names["serve"])
    assert await played.ask("Put my money on square eighteen") == "stop"
    assert played.text == "false"
    results = {one["name"]: one["summary"] for one in played.of("tool_result")}
    assert results["step__roulette_wheel"] == '"loser"'
