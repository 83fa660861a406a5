"""An agent that plans first: the plan, its tool calls, and then an answer from their results.

A model writes the plan as JSON, so it is read with care: it may only name the agent's built-in tools, the
number of calls is limited, and each call is shown like any tool call.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
from pydantic import BaseModel, Field, RootModel

from millrace.agent.emitter import emit
from millrace.agent.model import ToolCall
from millrace.agent.planning import (
    EXPECTED,
    MAX_CALLS,
    asked_again,
    planning_instructions,
    with_findings,
)
from millrace.agent.providers.lenient_json import storable
from millrace.agent.tools.builtin import is_tool, own_rule
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.approvals import ASK_USER
from millrace.services.flows.calls import StepFailed, call_tool, toolbox_of
from millrace.services.runs.agent_run import AgentRunContext

# A text may have thousands of brackets, and each costs an attempt to parse what follows.
BRACKETS_READ = 100


class PlannedCall(BaseModel):
    """A call in the plan."""

    tool: str
    arguments: dict[str, Any] = {}


class Plan(RootModel[list[PlannedCall]]):
    """The calls in order."""

    root: list[PlannedCall] = Field(max_length=MAX_CALLS)


async def plan_and_answer(run_context: AgentRunContext, agent: Agent, work: str, request: str) -> str:
    """Return the answer of an agent that plans, as `work` of its run.

    Raises `StepFailed` for a plan that cannot be followed. The agent learns of a tool that fails as of any
    result.
    """
    emit(events.status("Planning.", "🗺️"))
    tools = planned_tools(agent)
    specs = [spec for name in tools for spec in toolbox_of(name).specs()]
    instructions = planning_instructions(agent.instructions, specs)
    planner = agent.model_copy(
        update={"tools": [], "mcp_servers": [], "a2a_agents": [], "instructions": instructions}
    )
    plan = await _plan(run_context, planner, work, request, tools)
    findings = []
    for number, planned in enumerate(plan, 1):
        emit(events.status(f"Step {number} of {len(plan)}: {planned.tool}.", "🔧", least="steps"))
        result = await call_tool(run_context, ToolCall(f"plan_{number}", planned.tool, planned.arguments))
        findings.append(f"{planned.tool}({orjson.dumps(planned.arguments).decode()}): {result.text}")
    emit(events.status("Writing the answer.", "✍️"))
    answering = agent.model_copy(update={"tools": [], "mcp_servers": [], "a2a_agents": []})
    return await run_context.work(answering, f"{work}:answer", with_findings(request, findings))


async def _plan(
    run_context: AgentRunContext, planner: Agent, work: str, request: str, tools: list[str]
) -> list[PlannedCall]:
    """Return the plan. A model that answers in prose is asked once more."""
    # With a parent, the plan's text is shown as thinking, not as part of the answer.
    answer = await run_context.work(planner, f"{work}:plan", request, parent="plan")
    try:
        return read_plan(answer, tools)
    except StepFailed as error:
        emit(events.status("That was not a plan; planning again.", "🗺️", least="steps"))
        again = asked_again(request, answer, error.message)
    return read_plan(await run_context.work(planner, f"{work}:again", again, parent="plan"), tools)


def planned_tools(agent: Agent) -> list[str]:
    """Return the agent's tools that a plan may call: those without an approval."""
    return [
        use.name
        for use in agent.tool_uses
        if not (use.asks or own_rule(use.name) or use.name == ASK_USER)
        and (is_tool(use.name) or use.name == "echo_tool")
    ]


def read_plan(text: str, tools: list[str]) -> list[PlannedCall]:
    """Return the plan in a model's answer: its first list of calls, ignoring any text around it.

    Raises `StepFailed` with the expected format.
    """
    plan = next(_plans(text), None)
    if plan is None:
        message = f"The agent's plan must be {EXPECTED}."
        raise StepFailed(message, code="bad_plan", reason=repr(text[:200]))
    unknown = sorted({planned.tool for planned in plan} - set(tools))
    if unknown:
        message = f"The agent's plan must name tools of the agent only: {', '.join(tools) or 'it has none'}."
        raise StepFailed(message, code="bad_plan", reason=", ".join(unknown)[:200])
    return plan


def _plans(text: str) -> Iterator[list[PlannedCall]]:
    decoder = json.JSONDecoder()
    for found in islice(re.finditer(r"\[", text), BRACKETS_READ):
        try:
            yield Plan.model_validate(storable(decoder.raw_decode(text, found.start())[0])).root
        except (ValueError, RecursionError):
            continue
