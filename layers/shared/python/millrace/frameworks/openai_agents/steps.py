"""The models and tools of agents of the OpenAI Agents SDK, with what they answer stored."""

import copy
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from hashlib import sha256
from typing import Any

import orjson
from agents import Agent, FunctionTool, Handoff, Model, ModelProvider, ModelResponse, Usage
from agents.tool_context import ToolContext
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputMessage,
    ResponseTextDeltaEvent,
)
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from millrace.agent.code.context import Stored
from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext
from millrace.frameworks.common.live import Live
from millrace.frameworks.common.steps import step_name

_ANSWER: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)
_ABOUT = ("type", "role", "content", "name", "arguments", "output")
"""What of an item tells it from another one; ids differ from one time to the next."""


class Recorded:
    """Copies of agents for one run, whose models and tools store what they answer. The user's own agents stay
    as they are: many runs use them at once."""

    def __init__(self, ctx: AgentContext, once: frozenset[str], provider: ModelProvider) -> None:
        self._ctx = ctx
        self._once = once
        self._provider = provider
        self._live = Live(ctx)
        self._made: dict[int, Agent[Any]] = {}

    def agent(self, original: Agent[Any]) -> Agent[Any]:
        """The copy of an agent, and of those that it hands over to."""
        if id(original) in self._made:
            return self._made[id(original)]
        tools = [self._tool(one) for one in original.tools]
        made = original.clone(model=self.model(original.model), tools=tools, handoffs=[])
        self._made[id(original)] = made
        made.model_settings = original.model_settings  # those of its model, which a wrapped one has not
        made.handoffs = [self._handoff(one) for one in original.handoffs]
        self._wrap_mcp(original, made)
        return made

    def model(self, given: str | Model | None) -> "StoredModel":
        """A model that stores its answers."""
        wrapped = given if isinstance(given, Model) else self._provider.get_model(given)
        return StoredModel(wrapped, self._ctx, self._live)

    def _wrap_mcp(self, original: Agent[Any], made: Agent[Any]) -> None:
        async def get_mcp_tools(run_context: Any) -> list[Any]:
            return [self._tool(one) for one in await original.get_mcp_tools(run_context)]

        if original.mcp_servers:
            made.get_mcp_tools = get_mcp_tools  # type: ignore[method-assign]

    def _handoff(self, given: Any) -> Any:
        if isinstance(given, Agent):
            return self.agent(given)
        made: Handoff[Any, Any] = copy.copy(given)
        hand_over = given.on_invoke_handoff

        async def on_invoke_handoff(context: Any, arguments: str) -> Any:
            return self.agent(await hand_over(context, arguments))

        made.on_invoke_handoff = on_invoke_handoff
        return made

    def _tool(self, given: Any) -> Any:
        """A function tool that stores its results; others work beside the model."""
        if not isinstance(given, FunctionTool):
            return given
        made, invoke = copy.copy(given), given.on_invoke_tool
        repeat: Repeat = "never" if given.name in self._once else "safe"

        async def on_invoke_tool(context: ToolContext[Any], arguments: str) -> Any:
            async def called(given: Any) -> Any:
                return _plain(await invoke(context, arguments))

            return await self._ctx.step(step_name(made.name), called, _read(arguments), repeat=repeat)

        made.on_invoke_tool = on_invoke_tool
        return made


def _read(arguments: str) -> Any:
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments


def _plain(result: Any) -> Any:
    """A result as JSON has it; of anything else the text, which is what the SDK tells the model."""
    try:
        to_json(result)
    except PydanticSerializationError:
        return str(result)
    return result


class StoredModel(Model):
    """A model whose answers are stored with the run. It puts live messages before the next call."""

    def __init__(self, wrapped: Model, ctx: AgentContext, live: Live) -> None:
        self._wrapped = wrapped
        self._ctx = ctx
        self._live = live

    async def get_response(
        self, system_instructions: str | None, input: Any, *given: Any, **more: Any
    ) -> ModelResponse:
        """See `Model`."""
        items = await self._with_live(input)
        stored = self._stored(system_instructions, items)
        if stored.result is not None:
            return _ANSWER.validate_json(stored.result)
        answer = await self._wrapped.get_response(system_instructions, items, *given, **more)
        stored.keep(_ANSWER.dump_json(answer).decode())
        self._used(answer.usage)
        return answer

    async def stream_response(
        self, system_instructions: str | None, input: Any, *given: Any, **more: Any
    ) -> AsyncIterator[Any]:
        """See `Model`."""
        items = await self._with_live(input)
        stored = self._stored(system_instructions, items)
        if stored.result is not None:
            for event in _replayed(Response.model_validate_json(stored.result)):
                yield event
            return
        events: Any = self._wrapped.stream_response(system_instructions, items, *given, **more)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ResponseCompletedEvent):
                    stored.keep(event.response.model_dump_json())
                    self._used(event.response.usage)
                yield event

    async def close(self) -> None:
        """See `Model`."""
        await self._wrapped.close()

    def get_retry_advice(self, request: Any) -> Any:
        """See `Model`."""
        return self._wrapped.get_retry_advice(request)

    async def _with_live(self, input: Any) -> list[Any]:
        items = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        return await self._live.among(items, lambda text: {"role": "user", "content": text})

    @property
    def _name(self) -> str:
        return str(getattr(self._wrapped, "model", "") or "model")

    def _stored(self, system: str | None, items: list[Any]) -> Stored:
        asked = orjson.dumps([system, [_about(item) for item in items]])
        return self._ctx.stored("model", {"model": self._name, "prompt": sha256(asked).hexdigest()[:16]})

    def _used(self, usage: Usage | Any) -> None:
        if usage is not None:
            self._ctx.model.used(f"openai:{self._name}", usage.input_tokens, usage.output_tokens)


def _about(item: Any) -> list[Any]:
    found = item if isinstance(item, dict) else item.model_dump()
    return [_without_ids(found.get(name)) for name in _ABOUT]


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(one) for one in value]
    return value.get("text", value) if isinstance(value, dict) else value


def _replayed(response: Response) -> Iterator[Any]:
    """The events of a stored answer: its texts, in a piece each, and its end."""
    for at, item in enumerate(response.output):
        if isinstance(item, ResponseOutputMessage):
            for part in item.content:
                if part.type == "output_text":
                    yield ResponseTextDeltaEvent(
                        content_index=0, delta=part.text, item_id=item.id, logprobs=[], output_index=at,
                        sequence_number=0, type="response.output_text.delta",
                    )  # fmt: skip
    yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")
