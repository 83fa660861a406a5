"""An agent of pydantic-ai as one of the deployment."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    UserPromptPart,
)
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.run import AgentRunResultEvent
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from millrace.agent.code.context import Stored
from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext, agent, thought
from millrace.frameworks.common.live import Live
from millrace.frameworks.common.steps import step_name

_RESPONSE: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)
RETRY = "millrace:retry"
"""The key of a stored wish of a tool to be called again with other arguments."""


def pydantic_ai_agent(
    id: str,
    framework_agent: Agent[Any, Any],
    /,
    *,
    deps: Callable[[AgentContext], Any] | None = None,
    once: Collection[str] = (),
    **settings: Any,
) -> Any:
    """An agent of pydantic-ai as one of the deployment, under this id.

    Args:
        deps: Makes its dependencies of the context, in which the user is.
        once: Names of tools that must not be called again where a call was interrupted: it is then an error
            that the run ends with, since nobody knows whether it took effect.
        settings: As for `@agent`.
    """

    wrapped = _model_of(framework_agent)

    @agent(id, **{"description": _description(framework_agent), **settings})
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        model = _StoredModel(wrapped, ctx)
        toolsets = [_StoredTools(one, ctx, frozenset(once)) for one in framework_agent.toolsets]
        with framework_agent.override(model=model, tools=[], toolsets=toolsets):
            async with framework_agent.run_stream_events(
                ctx.message, message_history=_history(ctx), deps=deps(ctx) if deps else None
            ) as events:
                said = False
                async for event in events:
                    if isinstance(event, AgentRunResultEvent) and not said:
                        yield _text(event.result.output)
                    elif (made := _said(event)) is not None:
                        said = said or isinstance(made, str)
                        yield made

    return play


def _description(framework_agent: Agent[Any, Any]) -> str:
    found = framework_agent.description
    return found if isinstance(found, str) else ""


def _model_of(framework_agent: Agent[Any, Any]) -> Any:
    if framework_agent.model is None:
        raise ValueError(
            f"The agent {framework_agent.name or ''} has no model; name one: Agent('openai:...')."
        )
    return framework_agent.model


def _history(ctx: AgentContext) -> list[ModelMessage]:
    return [
        ModelRequest(parts=[UserPromptPart(one.text)])
        if one.role == "user"
        else ModelResponse(parts=[TextPart(one.text)])
        for one in ctx.history
        if one.text
    ]


def _said(event: Any) -> Any:
    """A piece of the answer or of reasoning; None for all else, which the steps tell."""
    part = event.part if isinstance(event, PartStartEvent) else getattr(event, "delta", None)
    if not isinstance(event, PartStartEvent | PartDeltaEvent):
        return None
    if isinstance(part, TextPart):
        return part.content or None
    if isinstance(part, TextPartDelta):
        return part.content_delta or None
    text = part.content if isinstance(part, ThinkingPart) else None
    if isinstance(part, ThinkingPartDelta):
        text = part.content_delta
    return thought(text) if text else None


def _text(output: Any) -> str:
    return output if isinstance(output, str) else TypeAdapter(Any).dump_json(output).decode()


class _StoredModel(WrapperModel):
    """A model whose answers are stored with the run."""

    def __init__(self, wrapped: Model, ctx: AgentContext) -> None:
        super().__init__(wrapped)
        self._ctx = ctx
        self._live = Live(ctx)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        messages = await self._with_live(messages)
        stored = self._ctx.stored("model", self._asked(messages))
        if stored.result is not None:
            return _RESPONSE.validate_json(stored.result)
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
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
        messages = await self._with_live(messages)
        stored = self._ctx.stored("model", self._asked(messages))
        if stored.result is not None:
            response = _RESPONSE.validate_json(stored.result)
            yield CompletedStreamedResponse(
                response, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        async with self.wrapped.request_stream(
            messages, model_settings, model_request_parameters, run_context
        ) as streamed:
            yield streamed
        self._keep(stored, streamed.get())

    def _keep(self, stored: Stored, response: ModelResponse) -> None:
        stored.keep(_RESPONSE.dump_json(response).decode())
        usage, name = response.usage, response.model_name or self.wrapped.model_name
        self._ctx.model.used(f"{self.wrapped.system}:{name}", usage.input_tokens, usage.output_tokens)

    async def _with_live(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        return await self._live.among(messages, lambda text: ModelRequest(parts=[UserPromptPart(text)]))

    def _asked(self, messages: list[ModelMessage]) -> dict[str, Any]:
        """By what a call is found again: its parts, without times and ids."""
        digest = sha256(orjson.dumps(_parts(messages))).hexdigest()[:16]
        return {"model": self.wrapped.model_name, "prompt": digest}


def _parts(messages: list[ModelMessage]) -> list[Any]:
    found = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    names = ("part_kind", "content", "args")
    return [[[part.get(name) for name in names] for part in one["parts"]] for one in found]


@dataclass
class _StoredTools(WrapperToolset[Any]):
    """Tools whose results are stored with the run."""

    context: AgentContext
    once: frozenset[str]

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        async def called(arguments: dict[str, Any]) -> Any:
            try:
                return await self.wrapped.call_tool(name, arguments, ctx, tool)
            except ModelRetry as error:  # it is for the model, and no failure
                return {RETRY: error.message}

        repeat: Repeat = "never" if name in self.once else "safe"
        result = await self.context.step(step_name(name), called, tool_args, repeat=repeat)
        if isinstance(result, dict) and result.keys() == {RETRY}:
            raise ModelRetry(result[RETRY])
        return result
