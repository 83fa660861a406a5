"""The model of a pydantic-ai agent, which stores its answers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    UserPromptPart,
)
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from millrace.agent.code.context import Stored
from millrace.app import AgentContext
from millrace.frameworks.common.answers import Answers
from millrace.frameworks.common.live import Live
from millrace.frameworks.pydantic_ai.content import content_of

_RESPONSE: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)
_ABOUT = ("part_kind", "content", "args")
"""The parts of a message that identify it; times and ids differ from one process to the next."""


class StoredModel(WrapperModel):
    """A model whose answers are stored with the run. Adds live messages before the next call."""

    def __init__(self, wrapped: Model, ctx: AgentContext) -> None:
        super().__init__(wrapped)
        self._ctx = ctx
        self._answers = Answers(ctx, self.wrapped.model_name)
        self._live = Live(ctx, self.name)

    @property
    def name(self) -> str:
        """The name with its provider."""
        return f"{self.wrapped.system}:{self.wrapped.model_name}"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """See `Model`."""
        messages = await self._with_live(messages)
        stored = self._answers.find(_parts(messages))
        if stored.result is not None:
            return _RESPONSE.validate_json(stored.result)
        response = await self._answers.ask(
            lambda: self.wrapped.request(messages, model_settings, model_request_parameters)
        )
        self._keep(stored, response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """See `Model`."""
        messages = await self._with_live(messages)
        stored = self._answers.find(_parts(messages))
        if stored.result is not None:
            yield CompletedStreamedResponse(
                _RESPONSE.validate_json(stored.result),
                model_request_parameters=model_request_parameters,
                replay_events=True,
            )
            return
        async with self._answers.open(
            lambda: self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            )
        ) as streamed:
            yield streamed
        self._keep(stored, streamed.get())

    def _keep(self, stored: Stored, response: ModelResponse) -> None:
        stored.keep(_RESPONSE.dump_json(response).decode())
        usage, name = response.usage, response.model_name or self.wrapped.model_name
        self._ctx.model.used(
            f"{self.wrapped.system}:{name}",
            usage.input_tokens,
            usage.output_tokens,
            cache_read=usage.cache_read_tokens,
            cache_write=usage.cache_write_tokens,
        )

    async def _with_live(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        return await self._live.among(
            messages, lambda blocks: ModelRequest(parts=[UserPromptPart(content_of(blocks))])
        )


def _parts(messages: list[ModelMessage]) -> list[Any]:
    found = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return [[[part.get(name) for name in _ABOUT] for part in one["parts"]] for one in found]
