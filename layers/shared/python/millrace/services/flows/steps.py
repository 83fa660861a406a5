"""The steps of a flow: each maps the earlier results to its own.

`Expressions` compiles every expression once. Mistakes are reported when the flow is created.
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
"""Maps an organization and a pipeline's id to the pipeline's definition. Raises `NotFound`."""
Notify = Callable[[str, str, int, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a payload through a destination of an organization's pipeline and returns the outcome.

Raises `NotFound` or `StepFailed`.
"""
MAX_EVENTS = 1000


class Expressions:
    """The compiled expressions of a flow. Raises `InvalidExpression` for an invalid one."""

    def __init__(self, flow: FlowSettings) -> None:
        wanted: dict[str, Any] = {step.name: _source(step) for step in flow.steps}
        self._steps = {name: Mapping({"value": source}) for name, source in wanted.items()}
        self._output = Mapping({"value": flow.output or "last"})
        self._when = {step.name: Mapping({"value": step.when}) for step in flow.steps if step.when}

    def of_step(self, step: Step, payload: dict[str, Any]) -> Any:
        """Return the step's input. Raises `StepFailed`."""
        return _evaluated(self._steps[step.name], payload)

    def applies(self, step: Step, payload: dict[str, Any]) -> bool:
        """Return whether the step runs: its `when` is true, or it has none. Raises `StepFailed`."""
        if step.name not in self._when:
            return True
        value = _evaluated(self._when[step.name], payload)
        if value is not None and not isinstance(value, bool):
            raise StepFailed("Its `when` must evaluate to true or false.", code="invalid_expression")
        return value is True

    def output(self, payload: dict[str, Any]) -> Any:
        """Return the flow's result. Raises `StepFailed`."""
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
    """The steps of one run: its context (platform, budget, events) and the pipelines."""

    run_context: AgentRunContext
    find_pipeline: FindPipeline
    notify: Notify

    async def may_repeat(self, step: Step) -> bool:
        """Return whether an interrupted step may run again.

        That is true for steps that only read, and for agents, which continue their own work. An agent that
        plans may run again if all of its tools only read.
        """
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
        """Return whether a step's agent has been working since an earlier process."""
        return work_of(step) in self.run_context.stored

    async def run(self, step: Step, given: Any) -> Any:
        """Run one step that does not wait, under the current emitter. Raises `MillraceError`."""
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
        agent = await self.run_context.agents.early(step.agent_id)
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
    """Return the name of a step's work within its run."""
    return f"{STEP}{step.name}"


def process(
    definition: PipelineDefinition, payloads: list[dict[str, Any]], prefix: str
) -> list[dict[str, Any]]:
    """Return the outputs of a definition for these events; windows and batches close at the end.

    Raises `StepFailed` for an event that a transform cannot process.
    """
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
    """Return a tool's result as JSON if it is more than a text."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if isinstance(value, str) or value is None else value


def flow_agents(flow: Flow) -> list[str]:
    """Return the ids of the agents that a flow asks."""
    return [step.agent_id for step in flow.steps if isinstance(step, AgentStep)]


def stored_pipelines(dynamo: Dynamo, table: str) -> FindPipeline:
    """Return a lookup of the organization's pipelines in their current definitions, which raises
    `NotFound`."""
    store = PipelineStore(dynamo, table)

    async def find(organization: str, pipeline_id: str) -> PipelineDefinition:
        return stored_definition((await store.get(organization, pipeline_id)).definition)

    return find


def delivered_by(aws: Aws, dynamo: Dynamo, table: str, function: str) -> Notify:
    """Return a sender that invokes the delivery function, which alone may read secrets and reach
    databases."""
    store = PipelineStore(dynamo, table)

    async def notify(
        organization: str, pipeline_id: str, number: int, payload: dict[str, Any]
    ) -> dict[str, Any]:
        if not function:
            raise StepFailed("This deployment has no delivery function.", code="not_delivered")
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
            raise StepFailed("The delivery function failed; see its log.", code="not_delivered")
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
    """Raise `InvalidRequest`: there are no stored pipelines, so a step must contain its definition."""
    raise InvalidRequest(
        "This deployment has no stored pipelines for flows; give the step a definition.", code="no_pipelines"
    )
