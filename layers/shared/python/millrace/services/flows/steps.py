"""The steps of a flow: each takes what came before and gives a result.

`compile_flow` turns every expression into a closure once; a mistake in one is reported when the flow is made.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.agent.model import ToolCall
from millrace.domain.clock import now_ms
from millrace.domain.flows import (
    AgentStep,
    EndStep,
    Flow,
    FlowSettings,
    NotifyStep,
    PipelineStep,
    Step,
    ToolStep,
)
from millrace.domain.run_definitions import STEP
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.definition import PipelineDefinition, stored_definition
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.mapping import Mapping
from millrace.pipelines.plan import compile_plan
from millrace.services.flows.calls import StepFailed, call_tool, toolbox_of
from millrace.services.flows.plan import plan_and_answer, planned_tools
from millrace.services.runs.agent_run import AgentRunContext
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipelines import PipelineStore

FindPipeline = Callable[[str, str], Awaitable[PipelineDefinition]]
"""Given an organization and a pipeline's id, its definition. Raises `NotFound`."""
Notify = Callable[[str, str, int, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a payload through a destination of an organization's pipeline and tells what became of it. Raises
`NotFound` or `StepFailed`."""
MAX_EVENTS = 1000


class Expressions:
    """The expressions of a flow, compiled. Raises `InvalidExpression` for one with a mistake."""

    def __init__(self, flow: FlowSettings) -> None:
        wanted: dict[str, Any] = {step.name: _source(step) for step in flow.steps}
        self._steps = {name: Mapping({"value": source}) for name, source in wanted.items()}
        self._output = Mapping({"value": flow.output or "last"})
        self._when = {step.name: Mapping({"value": step.when}) for step in flow.steps if step.when}

    def of_step(self, step: Step, payload: dict[str, Any]) -> Any:
        """The step's input. Raises `StepFailed`."""
        return _evaluated(self._steps[step.name], payload)

    def applies(self, step: Step, payload: dict[str, Any]) -> bool:
        """Return whether the step is to run: its `when` is true, or it has none. Raises `StepFailed`."""
        if step.name not in self._when:
            return True
        value = _evaluated(self._when[step.name], payload)
        if value is not None and not isinstance(value, bool):
            raise StepFailed("Its `when` must evaluate to true or false.", code="invalid_expression")
        return value is True

    def output(self, payload: dict[str, Any]) -> Any:
        """The flow's result. Raises `StepFailed`."""
        return _evaluated(self._output, payload)


def _source(step: Step) -> Any:
    if isinstance(step, AgentStep):
        return step.message
    if isinstance(step, ToolStep):
        return step.arguments
    if isinstance(step, EndStep):
        return step.result
    if isinstance(step, NotifyStep):
        return step.payload
    return step.events if isinstance(step, PipelineStep) else None


def _evaluated(mapping: Mapping, payload: dict[str, Any]) -> Any:
    try:
        return mapping.row(payload, Event(payload, "flow", time=now_ms(), ingested=now_ms()))["value"]
    except EvaluationError as error:
        raise StepFailed(
            "Its input cannot be evaluated.", code="invalid_expression", reason=str(error)
        ) from error


class Steps(Struct, frozen=True):
    """The steps of one run: its context (platform, budget, reports) and the pipelines."""

    run_context: AgentRunContext
    find_pipeline: FindPipeline
    notify: Notify

    async def may_repeat(self, step: Step) -> bool:
        """Return whether a step may run again that was interrupted: those that only read, and agents, which
        go on inside their work; one that plans, if all of its tools only read."""
        if isinstance(step, AgentStep):
            if not step.plan:
                return True
            names = planned_tools(await self.run_context.agents.get(step.agent_id))
        elif isinstance(step, ToolStep):
            names = [step.tool]
        else:
            return isinstance(step, PipelineStep)
        return all(tool.repeat == "safe" for name in names for tool in toolbox_of(name).tools())

    def under_way(self, step: Step) -> bool:
        """Return whether the agent of a step is at work since an earlier process."""
        return work_of(step) in self.run_context.stored

    async def run(self, step: Step, given: Any) -> Any:
        """Runs one step that is not a wait, under the current emitter. Raises `MillraceError`."""
        if isinstance(step, AgentStep):
            return await self._agent(step, given)
        if isinstance(step, ToolStep):
            return await self._tool(step, given)
        if isinstance(step, NotifyStep):
            organization = self.run_context.context.organization
            return await self.notify(organization, step.pipeline_id, step.destination, given)
        assert isinstance(step, PipelineStep)
        return await self._pipeline(step, given)

    async def _agent(self, step: AgentStep, given: Any) -> str:
        text = given if isinstance(given, str) else orjson.dumps(given).decode()
        if not text.strip():
            raise StepFailed("The message for the agent is empty.", code="empty_message")
        agent = await self.run_context.agents.get(step.agent_id)
        run_context = replace(self.run_context, above=({"step": step.name},))
        if step.plan:
            return await plan_and_answer(run_context, agent, work_of(step), text)
        return await run_context.work(agent, work_of(step), text)

    async def _tool(self, step: ToolStep, given: dict[str, Any]) -> Any:
        result = await call_tool(self.run_context, ToolCall(f"call_{step.name}", step.tool, given))
        if not result.ok:
            raise StepFailed("The tool failed.", code="tool_failed", reason=result.text)
        return _structured(result.full)

    async def _pipeline(self, step: PipelineStep, given: Any) -> list[dict[str, Any]]:
        payloads = given if isinstance(given, list) else [given]
        if len(payloads) > MAX_EVENTS or not all(isinstance(one, dict) for one in payloads):
            raise StepFailed(
                f"A pipeline needs an object, or a list of up to {MAX_EVENTS} objects.", code="no_events"
            )
        organization = self.run_context.context.organization
        if step.definition is not None:
            definition = stored_definition(step.definition)
        else:
            definition = await self.find_pipeline(organization, step.pipeline_id or "")
        return process(definition, payloads, self.run_context.context.run_id)


def work_of(step: Step) -> str:
    """The work of a step's agent within its run."""
    return f"{STEP}{step.name}"


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


def delivered_by(aws: Aws, dynamo: Dynamo, table: str, function: str) -> Notify:
    """Sends by the function that delivers for pipelines: it alone may read secrets and reach databases."""
    store = PipelineStore(dynamo, table)

    async def notify(
        organization: str, pipeline_id: str, number: int, payload: dict[str, Any]
    ) -> dict[str, Any]:
        if not function:
            raise StepFailed("This deployment has no function that delivers.", code="not_delivered")
        pipeline = await store.get(organization, pipeline_id)
        asked = {
            "organization": organization,
            "pipelineId": pipeline.id,
            "version": pipeline.version,
            "destination": number,
            "payload": payload,
        }
        answer = await aws.call(
            "lambda", "invoke", FunctionName=function, Payload=orjson.dumps({"test": asked})
        )
        reported: dict[str, Any] = orjson.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise StepFailed("The function that delivers failed; see its log.", code="not_delivered")
        if reported["outcome"] != "delivered":
            raise StepFailed(
                "It was not delivered.",
                code="not_delivered",
                reason=f"{reported['code']}: {reported['message']}",
            )
        return {
            "outcome": reported["outcome"],
            "status": reported.get("status"),
            "eventId": reported.get("eventId"),
        }

    return notify


async def no_pipelines(organization: str, pipeline_id: str) -> PipelineDefinition:
    """Raise `InvalidRequest`: no stored pipelines are at hand, so a step must give its definition itself."""
    raise InvalidRequest(
        "This deployment has no stored pipelines for flows; give the step a definition.", code="no_pipelines"
    )
