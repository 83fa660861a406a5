"""A model of the OpenAI Agents SDK that stores its answers."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from agents import Model, ModelResponse, Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputMessage,
    ResponseTextDeltaEvent,
)
from pydantic import TypeAdapter

from millrace.agent.code.context import Stored
from millrace.app import AgentContext
from millrace.frameworks.common.answers import Answers
from millrace.frameworks.common.live import Live
from millrace.frameworks.openai_agents.content import content_of

_ANSWER: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)
_ABOUT = ("type", "role", "content", "name", "arguments", "output")
"""The parts of an item that identify it; ids differ from one process to the next."""


class StoredModel(Model):
    """A model whose answers are stored with the run. Adds live messages before the next call."""

    def __init__(self, wrapped: Model, ctx: AgentContext, live: Live) -> None:
        self._wrapped = wrapped
        self._ctx = ctx
        self._live = live
        self._name = name_of(wrapped)
        self._answers = Answers(ctx, self._name)

    async def get_response(
        self, system_instructions: str | None, input: Any, *given: Any, **more: Any
    ) -> ModelResponse:
        """See `Model`."""
        items = await self._with_live(input)
        stored = self._stored(system_instructions, items)
        if stored.result is not None:
            return _ANSWER.validate_json(stored.result)
        answer = await self._answers.ask(
            lambda: self._wrapped.get_response(system_instructions, items, *given, **more)
        )
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
        said = self._answers.stream(
            lambda: self._wrapped.stream_response(system_instructions, items, *given, **more)
        )
        async with aclosing(said) as events:
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
        return await self._live.among(items, lambda blocks: {"role": "user", "content": content_of(blocks)})

    def _stored(self, system: str | None, items: list[Any]) -> Stored:
        return self._answers.find(system, [_about(item) for item in items])

    def _used(self, usage: Usage | Any) -> None:
        if usage is not None:
            details = getattr(usage, "input_tokens_details", None)
            cached = getattr(details, "cached_tokens", None) or 0
            self._ctx.model.used(self._name, usage.input_tokens, usage.output_tokens, cache_read=cached)


def name_of(model: Model) -> str:
    """Return the name of a model with its provider, by which its price is known."""
    return f"openai:{getattr(model, 'model', '') or 'model'}"


def _about(item: Any) -> list[Any]:
    found = item if isinstance(item, dict) else item.model_dump()
    return [_without_ids(found.get(name)) for name in _ABOUT]


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(one) for one in value]
    return value.get("text", value) if isinstance(value, dict) else value


def _replayed(response: Response) -> Iterator[Any]:
    """Yield the events of a stored answer: its texts, each in one piece, and its end."""
    for at, item in enumerate(response.output):
        if isinstance(item, ResponseOutputMessage):
            for part in item.content:
                if part.type == "output_text":
                    yield ResponseTextDeltaEvent(
                        content_index=0, delta=part.text, item_id=item.id, logprobs=[], output_index=at,
                        sequence_number=0, type="response.output_text.delta",
                    )  # fmt: skip
    yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")
