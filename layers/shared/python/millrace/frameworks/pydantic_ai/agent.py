"""An agent of pydantic-ai as an agent of the deployment."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai import Agent, UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.messages import (
    ModelMessage,
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
from pydantic_ai.run import AgentRunResultEvent

from millrace.agent.code.model import LimitReached
from millrace.agent.model import Message
from millrace.app import AgentContext, ProviderError, agent, thought
from millrace.frameworks.common.failures import ended_by
from millrace.frameworks.pydantic_ai.content import content_of
from millrace.frameworks.pydantic_ai.model import StoredModel
from millrace.frameworks.pydantic_ai.tools import StoredTools


def pydantic_ai_agent(
    id: str,
    framework_agent: Agent[Any, Any],
    /,
    *,
    deps: Callable[[AgentContext], Any] | None = None,
    once: Collection[str] = (),
    **settings: Any,
) -> Any:
    """Make an agent of pydantic-ai an agent of the deployment.

    Args:
        id: The agent's id.
        framework_agent: The agent.
        deps: Returns the agent's dependencies from the context, which has the user.
        once: Names of tools whose interrupted calls must not be repeated, since nobody knows whether they
            took effect: the run ends with an error instead.
        settings: As for `@agent`.
    """

    wrapped = _model_of(framework_agent)

    @agent(id, **{"description": _description(framework_agent), **settings})
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        model = StoredModel(wrapped, ctx)
        toolsets = [StoredTools(one, ctx, frozenset(once)) for one in framework_agent.toolsets]
        *before, asked = await ctx.model.with_files(ctx.messages, model.name)
        with framework_agent.override(model=model, tools=[], toolsets=toolsets), _readable():
            async with framework_agent.run_stream_events(
                content_of(asked["content"]),
                message_history=[_message(one) for one in before],
                deps=deps(ctx) if deps else None,
            ) as events:
                said = False
                async for event in events:
                    if isinstance(event, AgentRunResultEvent) and not said:
                        yield _text(event.result.output)
                    elif (made := _said(event)) is not None:
                        said = said or isinstance(made, str)
                        yield made

    return play


@contextmanager
def _readable() -> Iterator[None]:
    """Raise errors with messages for people; if pydantic-ai has wrapped one of ours, raise that one."""
    try:
        yield
    except UsageLimitExceeded as error:
        raise LimitReached("max_tokens") from error
    except Exception as error:
        found = ended_by(error)
        if isinstance(found, UnexpectedModelBehavior):
            found = ProviderError(f"The model cannot be followed: {found}", code="unreadable_response")
        raise found from error


def _description(framework_agent: Agent[Any, Any]) -> str:
    found = framework_agent.description
    return found if isinstance(found, str) else ""


def _model_of(framework_agent: Agent[Any, Any]) -> Any:
    if framework_agent.model is None:
        raise ValueError(
            f"The agent {framework_agent.name or ''} has no model; set one: Agent('openai:...')."
        )
    return framework_agent.model


def _message(turn: Message) -> ModelMessage:
    if turn["role"] == "user":
        return ModelRequest(parts=[UserPromptPart(content_of(turn["content"]))])
    return ModelResponse(parts=[TextPart(one["text"]) for one in turn["content"]])


def _said(event: Any) -> Any:
    """Return a piece of the answer or of reasoning; None for anything else, which the steps report."""
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
