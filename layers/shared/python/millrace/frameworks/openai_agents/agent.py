"""An agent of the OpenAI Agents SDK as an agent of the deployment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from agents import Agent, MaxTurnsExceeded, ModelBehaviorError, RunConfig, Runner, RunResultStreaming
from agents.exceptions import (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
)

from millrace.agent.code.model import LimitReached
from millrace.app import AgentContext, ProviderError, ToolError, agent, log, thought
from millrace.frameworks.common.decisions import asking, decision_on
from millrace.frameworks.common.failures import ended_by, of_ours
from millrace.frameworks.openai_agents.content import item_of
from millrace.frameworks.openai_agents.copies import Copies

TURNS = 50
_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
_OF_PEOPLE = InputGuardrailTripwireTriggered | OutputGuardrailTripwireTriggered
_OF_TOOLS = ToolInputGuardrailTripwireTriggered | ToolOutputGuardrailTripwireTriggered


def openai_agent(
    id: str,
    framework_agent: Agent[Any],
    /,
    *,
    context: Callable[[AgentContext], Any] | None = None,
    once: Collection[str] = (),
    approvers: Mapping[str, Any] | None = None,
    max_turns: int = TURNS,
    run_config: RunConfig | None = None,
    **settings: Any,
) -> Any:
    """Make an agent of the OpenAI Agents SDK an agent of the deployment.

    Args:
        id: The agent's id.
        framework_agent: The agent.
        context: Returns the context of the agent's tools from ours, which has the user.
        once: Names of tools whose interrupted calls must not be repeated, since nobody knows whether they
            took effect: the run ends with an error instead.
        approvers: The people who answer for tools that need an approval, as `{"scope": "refunds:approve"}`;
            by default the run's user.
        max_turns: The maximum number of model calls in one run.
        run_config: As for `Runner.run`.
        settings: As for `@agent`.
    """
    config = run_config or RunConfig()
    given = {"description": framework_agent.handoff_description or "", **settings}
    if _may_ask(framework_agent):
        given["tools"] = [*given.get("tools", ()), asking(approvers)]

    @agent(id, **given)
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        recorded = Copies(ctx, frozenset(once), config.model_provider)
        used = replace(config, model=recorded.model(config.model)) if config.model else config
        first = recorded.agent(framework_agent)
        state: Any = [item_of(turn) for turn in await ctx.model.with_files(ctx.messages, recorded.name)]
        made_context = context(ctx) if context else None
        speaker = first.name
        while True:
            result = Runner.run_streamed(
                first, state, context=made_context, max_turns=max_turns, run_config=used
            )
            async for said in _said_by(result, speaker):
                yield said
            if not result.interruptions:
                return
            state, speaker = result.to_state(), result.last_agent.name
            for call in result.interruptions:
                allowed, reason = await decision_on(ctx, call.name or "", call.arguments or "{}")
                if allowed:
                    state.approve(call)
                else:
                    state.reject(call, rejection_message=reason)

    return play


def _may_ask(framework_agent: Agent[Any]) -> bool:
    """Return whether a tool of an agent, or of one that it hands over to, may need an approval."""
    seen: list[Any] = []
    left: list[Any] = [framework_agent]
    while left:
        one = left.pop()
        if any(one is known for known in seen):
            continue
        seen.append(one)
        if not isinstance(one, Agent) or one.mcp_servers:
            return True
        if any(getattr(tool, "needs_approval", False) is not False for tool in one.tools):
            return True
        left += one.handoffs
    return False


async def _said_by(result: RunResultStreaming, speaker: str) -> AsyncIterator[Any]:
    """Yield the pieces of the answer and of reasoning, and the agents that take over. Raises readable
    errors."""
    try:
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                if said := _said(event.data):
                    yield said
            elif event.type == "agent_updated_stream_event" and event.new_agent.name != speaker:
                speaker = event.new_agent.name
                yield log(f"{speaker} takes over.")
    except Exception as error:
        raise _readable(error) from error
    finally:
        await _end(result)


def _said(data: Any) -> Any:
    if data.type in _TEXTS:
        return data.delta
    return thought(data.delta) if data.type in _THOUGHTS and data.delta else None


async def _end(result: RunResultStreaming) -> None:
    """End the SDK's run, so that no model call continues after a stop."""
    result.cancel()
    if (task := result.run_loop_task) is not None and not task.done():
        task.cancel()
        await asyncio.wait({task})


def _readable(error: Exception) -> Exception:
    """Return the error with a message for people; if the SDK has wrapped one of ours, that one."""
    if inner := of_ours(error):
        return inner
    if isinstance(error, MaxTurnsExceeded):
        return LimitReached("max_iterations")
    if isinstance(error, _OF_PEOPLE):
        return ToolError(f"The guardrail {error.guardrail_result.guardrail.get_name()} has stopped the run.")
    if isinstance(error, _OF_TOOLS):
        return ToolError(f"The guardrail {error.guardrail.get_name()} has stopped the run.")
    if isinstance(error, ModelBehaviorError):
        return ProviderError(f"The model cannot be followed: {error}", code="unreadable_response")
    return ended_by(error)
