"""An agent of Strands as an agent of the deployment."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import TypeAdapter
from strands import Agent
from strands.interrupt import Interrupt
from strands.types.exceptions import MaxTokensReachedException

from millrace.agent.code.model import LimitReached
from millrace.app import AgentContext, ToolError, agent, thought
from millrace.frameworks.common.decisions import asking
from millrace.frameworks.common.failures import ended_by
from millrace.frameworks.strands.content import content_of, message_of
from millrace.frameworks.strands.copies import copy_of
from millrace.frameworks.strands.tools import Recorded

_REASONS: TypeAdapter[Any] = TypeAdapter(Any)


def strands_agent(
    id: str,
    framework_agent: Agent | Callable[[AgentContext], Agent],
    /,
    *,
    invocation_state: Callable[[AgentContext], dict[str, Any]] | None = None,
    once: Collection[str] = (),
    approvers: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """Make an agent of Strands an agent of the deployment.

    Args:
        id: The agent's id.
        framework_agent: The agent, of which each run gets a copy with its model, tools, prompt, hooks, state
            and conversation manager; or a function that creates it, for an agent with plugins or more.
        invocation_state: Returns the state for the agent's tools and hooks from our context, which has the
            user.
        once: Names of tools whose interrupted calls must not be repeated, since nobody knows whether they
            took effect: the run ends with an error instead.
        approvers: The people who answer interrupts, as `{"scope": "refunds:approve"}`; by default the run's
            user.
        settings: As for `@agent`.
    """
    about = framework_agent.description if isinstance(framework_agent, Agent) else None
    given = {"description": about or "", **settings}
    given["tools"] = [*given.get("tools", ()), asking(approvers)]

    @agent(id, **given)
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        made = copy_of(framework_agent) if isinstance(framework_agent, Agent) else framework_agent(ctx)
        recorded = Recorded(ctx, made, frozenset(once))
        *before, asked = await ctx.model.with_files(ctx.messages, recorded.model.name)
        made.messages = [message_of(turn) for turn in before]
        state = invocation_state(ctx) if invocation_state else {}
        prompt: Any = content_of(asked["content"])
        said = False
        while True:
            result = None
            async for event in _events(made, prompt, state):
                result = event.get("result", result)
                if (piece := _said(event)) is not None:
                    said = said or isinstance(piece, str)
                    yield piece
            recorded.check()
            if result is None or result.stop_reason != "interrupt":
                break
            prompt = [await _answered(ctx, one) for one in result.interrupts]
        if result is not None and result.structured_output is not None and not said:
            yield result.structured_output.model_dump_json()

    return play


async def _events(made: Agent, prompt: Any, state: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of one invocation. Raises readable errors."""
    try:
        async with aclosing(made.stream_async(prompt, invocation_state=state)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event
    except MaxTokensReachedException as error:
        raise LimitReached("max_tokens") from error
    except Exception as error:
        raise ended_by(error) from error


def _said(event: dict[str, Any]) -> Any:
    """Return a piece of the answer or of reasoning; None for anything else, which the steps report."""
    if text := event.get("data"):
        return text
    return thought(event["reasoningText"]) if event.get("reasoningText") else None


async def _answered(ctx: AgentContext, interrupt: Interrupt) -> dict[str, Any]:
    """Return a person's answer to an interrupt in the form of Strands; a rejection is its reason in words."""
    try:
        response = str(await ctx.ask_user(_question(interrupt)))
    except ToolError as error:
        response = error.message
    return {"interruptResponse": {"interruptId": interrupt.id, "response": response}}


def _question(interrupt: Interrupt) -> str:
    reason = interrupt.reason
    if reason is None:
        return interrupt.name
    shown = reason if isinstance(reason, str) else _REASONS.dump_json(reason).decode()
    return f"{interrupt.name}: {shown}"[:4000]
