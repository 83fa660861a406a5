"""The model and the tools of an agent of Strands, with what they answer stored."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import Any

import orjson
from strands import Agent
from strands.interrupt import Interrupt
from strands.models import Model
from strands.types._events import ToolInterruptEvent, ToolResultEvent
from strands.types.tools import AgentTool

from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext, ToolError
from millrace.frameworks.common.live import Live
from millrace.frameworks.common.steps import from_plain, step_name, to_plain

INTERRUPTS = "millrace:interrupts"
"""The key of stored interrupts, in the place of a tool's result."""


class Recorded:
    """Has an agent's model and tools store what they answer, for one run."""

    def __init__(self, ctx: AgentContext, agent: Agent, once: frozenset[str]) -> None:
        self.ctx = ctx
        self._agent = agent
        self._failure: ToolError | None = None
        agent.model = StoredModel(agent.model, ctx)
        for known in (agent.tool_registry.registry, agent.tool_registry.dynamic_tools):
            for name, tool in known.items():
                known[name] = StoredTool(tool, self, "never" if name in once else "safe")

    def fail(self, error: ToolError) -> None:
        """End the run with an error, which Strands would tell to the model instead."""
        self._failure = error
        self._agent.cancel()

    def check(self) -> None:
        """Raise the error that the run is to end with, if there is one."""
        if self._failure is not None:
            raise self._failure


class StoredTool(AgentTool):
    """A tool whose results are stored with the run."""

    def __init__(self, wrapped: AgentTool, recorded: Recorded, repeat: Repeat) -> None:
        super().__init__()
        self._wrapped = wrapped
        self._recorded = recorded
        self._repeat = repeat

    @property
    def tool_name(self) -> str:
        """See `AgentTool`."""
        return self._wrapped.tool_name

    @property
    def tool_spec(self) -> Any:
        """See `AgentTool`."""
        return self._wrapped.tool_spec

    @tool_spec.setter
    def tool_spec(self, value: Any) -> None:
        self._wrapped.tool_spec = value  # type: ignore[misc]

    @property
    def tool_type(self) -> str:
        """See `AgentTool`."""
        return self._wrapped.tool_type

    async def stream(self, tool_use: Any, invocation_state: dict[str, Any], **kwargs: Any) -> Any:
        """See `AgentTool`."""

        async def called(given: Any) -> Any:
            events = self._wrapped.stream(tool_use, invocation_state, **kwargs)
            async with aclosing(events):
                found = [event async for event in events]
            return to_plain(_kept(found[-1]))

        ctx, name = self._recorded.ctx, step_name(self.tool_name)
        try:
            kept = from_plain(await ctx.step(name, called, tool_use["input"], repeat=self._repeat))
        except ToolError as error:
            self._recorded.fail(error)
            raise
        if INTERRUPTS in kept:
            yield ToolInterruptEvent(tool_use, [Interrupt(**one) for one in kept[INTERRUPTS]])
        else:
            yield ToolResultEvent(kept | {"toolUseId": tool_use["toolUseId"]})


def _kept(last: Any) -> Any:
    if isinstance(last, ToolInterruptEvent):
        return {INTERRUPTS: [one.to_dict() for one in last.interrupts]}
    return last.tool_result if isinstance(last, ToolResultEvent) else last


class StoredModel(Model):
    """A model whose answers are stored with the run. It puts live messages before the next call."""

    def __init__(self, wrapped: Model, ctx: AgentContext) -> None:
        self._wrapped = wrapped
        self._ctx = ctx
        self._live = Live(ctx)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    @property
    def stateful(self) -> bool:
        """See `Model`."""
        return self._wrapped.stateful

    @property
    def context_window_limit(self) -> int | None:
        """See `Model`."""
        return self._wrapped.context_window_limit

    def update_config(self, **model_config: Any) -> None:
        """See `Model`."""
        self._wrapped.update_config(**model_config)

    def get_config(self) -> Any:
        """See `Model`."""
        return self._wrapped.get_config()

    def structured_output(self, *given: Any, **more: Any) -> Any:
        """See `Model`."""
        return self._wrapped.structured_output(*given, **more)

    async def count_tokens(self, *given: Any, **more: Any) -> int:
        """See `Model`."""
        return await self._wrapped.count_tokens(*given, **more)

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **more: Any
    ) -> AsyncIterator[Any]:
        """See `Model`."""
        sent = _together(await self._live.among(messages, _said_live))
        asked = orjson.dumps([system_prompt, [_about(one) for one in sent]], default=repr)
        digest = sha256(asked).hexdigest()[:16]
        stored = self._ctx.stored("model", {"model": self._name, "prompt": digest})
        if stored.result is not None:
            for event in from_plain(orjson.loads(stored.result)):
                yield event
            return
        kept: list[Any] = []
        events: Any = self._wrapped.stream(sent, tool_specs, system_prompt, **more)
        async with aclosing(events):
            async for event in events:
                kept.append(event)
                yield event
        stored.keep(orjson.dumps(to_plain(list(_joined(kept)))).decode())
        self._used(kept)

    @property
    def _name(self) -> str:
        config = self._wrapped.get_config()
        return str((config.get("model_id") if isinstance(config, dict) else None) or "model")

    def _used(self, events: Sequence[Any]) -> None:
        """Count the tokens, under the name that models of the same server have here."""
        server = type(self._wrapped).__module__.rpartition(".")[2]
        for event in events:
            if usage := event.get("metadata", {}).get("usage"):
                self._ctx.model.used(f"{server}:{self._name}", usage["inputTokens"], usage["outputTokens"])


def _said_live(text: str) -> Any:
    return {"role": "user", "content": [{"text": text}]}


def _together(messages: Sequence[Any]) -> list[Any]:
    """The messages, with those of one role in a row as one: some servers refuse others."""
    found: list[Any] = []
    for one in messages:
        if found and found[-1]["role"] == one["role"]:
            found[-1] = found[-1] | {"content": [*found[-1]["content"], *one["content"]]}
        else:
            found.append(one)
    return found


def _about(message: Any) -> Any:
    """By which a message is found again: without ids, which differ from one time to the next."""
    return [message["role"], [_block(one) for one in message["content"]]]


def _block(block: Any) -> Any:
    for name in ("toolUse", "toolResult"):
        if name in block:
            return {key: value for key, value in block[name].items() if key != "toolUseId"}
    return to_plain(block)


def _joined(events: Sequence[Any]) -> Iterator[Any]:
    """The events, with pieces of one text as one."""
    text: list[str] = []
    for event in events:
        piece = event.get("contentBlockDelta", {}).get("delta", {}).get("text")
        if piece is not None:
            text.append(piece)
            continue
        if text:
            yield {"contentBlockDelta": {"delta": {"text": "".join(text)}}}
            text = []
        yield event
