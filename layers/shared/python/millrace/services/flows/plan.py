"""An agent that plans first: the plan, the tools that it names, then the answer from what they gave.

The plan is the model's own JSON, so it is read with care: only the agent's built-in tools, only so many, each
call shown as any tool call is.
"""

from typing import Any

import orjson
from pydantic import BaseModel, Field, RootModel, ValidationError

from millrace.agent.emitter import Emitter, emit
from millrace.agent.model import ToolCall
from millrace.agent.tools.builtin import BUILT_IN
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.services.flows.calls import StepFailed, ask_agent, call_tool, toolbox_of
from millrace.services.runs.launch import Crew

MAX_CALLS = 16
PLANNER = """Plan how to answer the user's request with these tools:
{tools}
Answer with nothing but a JSON list of the calls in order, at most {most}:
[{{"tool": "<name>", "arguments": {{...}}}}]. An empty list if no tool is needed."""
FINDINGS = "{request}\n\nWhat the tools gave:\n{findings}"


class PlannedCall(BaseModel):
    """A call of the plan."""

    tool: str
    arguments: dict[str, Any] = {}


class Plan(RootModel[list[PlannedCall]]):
    """The calls in order."""

    root: list[PlannedCall] = Field(max_length=MAX_CALLS)


async def plan_and_answer(crew: Crew, agent: Agent, request: str, emitter: Emitter) -> str:
    """The answer of an agent that plans. Raises `StepFailed` for a plan that cannot be followed; a tool that
    fails is told to the agent like any result."""
    emit(events.status("Planning.", "🗺️"))
    tools = [name for name in agent.tools if name in BUILT_IN or name == "echo_tool"]
    instructions = _instructions(agent, tools)
    planner = agent.model_copy(update={"tools": [], "mcp_servers": [], "instructions": instructions})
    # With a parent, the plan's text is shown as thinking, not as part of the answer.
    plan = read_plan(await ask_agent(crew, planner, request, emitter.tagged(parent="plan")), tools)
    findings = []
    for number, planned in enumerate(plan, 1):
        emit(events.status(f"Step {number} of {len(plan)}: {planned.tool}.", "🔧", least="steps"))
        result = await call_tool(crew, ToolCall(f"plan_{number}", planned.tool, planned.arguments))
        findings.append(f"{planned.tool}({orjson.dumps(planned.arguments).decode()}): {result.text}")
    emit(events.status("Writing the answer.", "✍️"))
    answering = agent.model_copy(update={"tools": [], "mcp_servers": []})
    text = FINDINGS.format(request=request, findings="\n".join(findings)) if findings else request
    return await ask_agent(crew, answering, text, emitter)


def read_plan(text: str, tools: list[str]) -> list[PlannedCall]:
    """The plan in a model's answer: the JSON list in it, whatever stands around. Raises `StepFailed`."""
    start, end = text.find("["), text.rfind("]")
    try:
        plan = Plan.model_validate_json(text[start : end + 1] if start >= 0 else text).root
    except ValidationError as problem:
        message = f"The agent's plan is no list of at most {MAX_CALLS} calls."
        raise StepFailed(message, code="bad_plan", reason=repr(text[:200])) from problem
    unknown = sorted({planned.tool for planned in plan} - set(tools))
    if unknown:
        message = "The agent's plan names tools that it has not."
        raise StepFailed(message, code="bad_plan", reason=", ".join(unknown)[:200])
    return plan


def _instructions(agent: Agent, names: list[str]) -> str:
    described = [spec for name in names for spec in toolbox_of(name).specs()]
    tools = "\n".join(
        f"{spec.name}: {spec.description} {orjson.dumps(spec.parameters).decode()}" for spec in described
    )
    return f"{agent.instructions}\n\n{PLANNER.format(tools=tools or 'none', most=MAX_CALLS)}".strip()
