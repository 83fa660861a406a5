"""The steps of a flow: each takes what came before and gives a result.

`compile_flow` turns every expression into a closure once; a mistake in one is told when the flow is made.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.agent.emitter import Emitter, current_emitter
from millrace.agent.model import ToolCall
from millrace.domain.clock import now_ms
from millrace.domain.flows import AgentStep, Flow, FlowSettings, PipelineStep, Step, ToolStep
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.definition import PipelineDefinition, stored_definition
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.mapping import Mapping
from millrace.pipelines.plan import compile_plan
from millrace.services.flows.calls import StepFailed, ask_agent, call_tool
from millrace.services.flows.plan import plan_and_answer
from millrace.services.runs.launch import AgentRunContext, agent_tags
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipelines import PipelineStore

FindPipeline = Callable[[str, str], Awaitable[PipelineDefinition]]
"""Given an organization and a pipeline's id, its definition. Raises `NotFound`."""
MAX_EVENTS = 1000


class Expressions:
    """The expressions of a flow, compiled. Raises `InvalidExpression` for one with a mistake."""

    def __init__(self, flow: FlowSettings) -> None:
        wanted: dict[str, Any] = {step.name: _source(step) for step in flow.steps}
        self._steps = {name: Mapping({"value": source}) for name, source in wanted.items()}
        self._output = Mapping({"value": flow.output or "last"})

    def of_step(self, step: Step, payload: dict[str, Any]) -> Any:
        """The step's input. Raises `StepFailed`."""
        return _evaluated(self._steps[step.name], payload)

    def output(self, payload: dict[str, Any]) -> Any:
        """The flow's result. Raises `StepFailed`."""
        return _evaluated(self._output, payload)


def _source(step: Step) -> Any:
    if isinstance(step, AgentStep):
        return step.message
    if isinstance(step, ToolStep):
        return step.arguments
    return step.events if isinstance(step, PipelineStep) else None


def _evaluated(mapping: Mapping, payload: dict[str, Any]) -> Any:
    try:
        return mapping.row(payload, Event(payload, "flow", time=now_ms(), ingested=now_ms()))["value"]
    except EvaluationError as error:
        raise StepFailed(
            "Its input cannot be worked out.", code="invalid_expression", reason=str(error)
        ) from error


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one run: its context (platform, budget, reports) and the pipelines."""

    run_context: AgentRunContext
    find_pipeline: FindPipeline

    async def run(self, step: Step, given: Any) -> Any:
        """Runs one step that is not a wait, under the current emitter. Raises `MillraceError`."""
        if isinstance(step, AgentStep):
            return await self._agent(step, given)
        if isinstance(step, ToolStep):
            return await self._tool(step, given)
        assert isinstance(step, PipelineStep)
        return await self._pipeline(step, given)

    async def _agent(self, step: AgentStep, given: Any) -> str:
        text = given if isinstance(given, str) else orjson.dumps(given).decode()
        if not text.strip():
            raise StepFailed("The message for the agent is empty.", code="empty_message")
        run_context = self.run_context
        agent = await run_context.platform.stores.agents.get(run_context.context.organization, step.agent_id)
        emitter = (current_emitter() or Emitter(lambda event: None)).tagged(**agent_tags(agent))
        answer = plan_and_answer if step.plan else ask_agent
        return await answer(run_context, agent, text, emitter)

    async def _tool(self, step: ToolStep, given: dict[str, Any]) -> Any:
        result = await call_tool(self.run_context, ToolCall(f"call_{step.name}", step.tool, given))
        if not result.ok:
            raise StepFailed("The tool failed.", code="tool_failed", reason=result.text)
        return _structured(result.full)

    async def _pipeline(self, step: PipelineStep, given: Any) -> list[dict[str, Any]]:
        payloads = given if isinstance(given, list) else [given]
        if len(payloads) > MAX_EVENTS or not all(isinstance(one, dict) for one in payloads):
            raise StepFailed(
                f"A pipeline takes an object, or a list of up to {MAX_EVENTS}.", code="no_events"
            )
        organization = self.run_context.context.organization
        if step.definition is not None:
            definition = stored_definition(step.definition)
        else:
            definition = await self.find_pipeline(organization, step.pipeline_id or "")
        return process(definition, payloads, self.run_context.context.run_id)


def process(
    definition: PipelineDefinition, payloads: list[dict[str, Any]], prefix: str
) -> list[dict[str, Any]]:
    """The outputs of a definition for these events, windows and batches closed at their end. Raises
    `StepFailed` for an event that a transform cannot take."""
    now = now_ms()
    received = [
        Event(payload, f"{prefix}:{n}", "flow", "flow", now, now) for n, payload in enumerate(payloads, 1)
    ]
    run = LocalRun(compile_plan(definition))
    outputs = [*run.feed(received), *run.finish()]
    if run.dead_letters:
        dead_letter = run.dead_letters[0]
        where = f"transforms.{dead_letter.step}"
        raise StepFailed(
            f"{len(run.dead_letters)} events failed.",
            code=dead_letter.code,
            reason=f"{where}: {dead_letter.message}",
        )
    return [output.payload for output in outputs]


def _structured(text: str) -> Any:
    """Return a tool's result as JSON where it is more than a text."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if isinstance(value, str) or value is None else value


def flow_agents(flow: Flow) -> list[str]:
    """The ids of the agents that a flow asks."""
    return [step.agent_id for step in flow.steps if isinstance(step, AgentStep)]


def stored_pipelines(dynamo: Dynamo, table: str) -> FindPipeline:
    """The organization's own pipelines, by id, as they are defined now; `NotFound` for others."""
    store = PipelineStore(dynamo, table)

    async def find(organization: str, pipeline_id: str) -> PipelineDefinition:
        return stored_definition((await store.get(organization, pipeline_id)).definition)

    return find


async def no_pipelines(organization: str, pipeline_id: str) -> PipelineDefinition:
    """Raise `NotFound`: no stored pipelines are at hand, so steps must give their definition themselves."""
    raise InvalidRequest(
        "This deployment has no stored pipelines for flows; give the step a definition.", code="no_pipelines"
    )
