"""A Strands agent whose model answers by its input."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel
from strands import Agent, tool
from strands.hooks import (
    AfterInvocationEvent,
    BeforeInvocationEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.models import Model
from strands.types.tools import ToolContext

from millrace.frameworks.strands import strands_agent
from millrace.frameworks.strands.copies import copy_of, output_model_of
from tests.agent.code.playing import Stage


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
                *calls("count", '{"word": "strawberry", "sign": "r"}'),
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
        def count(word: str, sign: str) -> int:
            """Count a sign."""
            self.done["count"] += 1
            return word.count(sign)

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


def endless() -> tuple[Spelling, Any]:
    """A model that waits to be stopped, and its agent."""
    model = Spelling(endless=True)
    return model, strands_agent("endless", Agent(model=model, callback_handler=None))


def made_for_users(speller: Speller, users: list[str]) -> Any:
    """An agent that a function makes for each run."""
    tools: list[Any] = list(speller.agent.tool_registry.registry.values())

    def made(ctx: Any) -> Agent:
        users.append(ctx.user.id)
        return Agent(model=speller.model, tools=tools, callback_handler=None)

    return strands_agent("made", made)


class City(BaseModel):
    """An output."""

    city: str


def with_output() -> Agent:
    """An agent with a structured output."""
    return Agent(model=Spelling(), structured_output_model=City, callback_handler=None)


def output_of(agent: Agent) -> Any:
    """The type of the answers of a copy of an agent."""
    return output_model_of(agent)


def copied_with_hooks(order: list[str]) -> HookRegistry:
    """The hooks of a copy of an agent, which note in which order they are called."""
    agent = Agent(model=Spelling(), callback_handler=None)
    for number in (1, 2):
        agent.hooks.add_callback(BeforeInvocationEvent, lambda _, at=number: order.append(f"before {at}"))
        agent.hooks.add_callback(AfterInvocationEvent, lambda _, at=number: order.append(f"after {at}"))
    return copy_of(agent).hooks


def fire(hooks: HookRegistry) -> None:
    """Call what users have added for the beginning and the end of an invocation."""
    for kind in (BeforeInvocationEvent, AfterInvocationEvent):
        event: Any = object.__new__(kind)
        for callback in hooks.get_callbacks_for(event):
            if callback.__module__ == __name__:
                callback(event)
