"""Flows: named lists of steps, and the progress of their executions."""

from typing import Annotated, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import Field, field_validator, model_validator

from millrace.domain.agents import AgentLimits
from millrace.domain.approvals import Approvers
from millrace.domain.replacement import ManagedBy
from millrace.domain.wire import WireModel

MAX_STEPS = 32
FLOW_BYTES, INPUT_BYTES, RESULTS_BYTES = 64 * 1024, 100 * 1024, 200 * 1024
"""The maximum sizes, which together fit into one item of 400 KB."""
AGENT_PREFIX = "flow:"
"""The prefix of the agent id of a flow's runs."""

FLOW_NAME = r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"
FlowName = Annotated[str, Field(pattern=FLOW_NAME)]
StepName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Expression = Annotated[str, Field(min_length=1, max_length=2000)]


class FlowStep(WireModel):
    """Base of the steps. Expressions see `input` (what was posted), `steps` (results by name), `last`, and
    `answers` (who decided what, by step). A step whose `when` is not true is skipped, and its result is
    null."""

    name: StepName
    when: Expression | None = None


class AgentStep(FlowStep):
    """Asks an agent; the result is the text of its answer. With `plan` the agent first plans which of its
    tools to call, then they are called, and then it answers."""

    type: Literal["agent"]
    agent_id: str = Field(min_length=1, max_length=128)
    message: Expression = "input"
    plan: bool = False


class ToolStep(FlowStep):
    """Calls a tool; `arguments` are expressions, as in a pipeline's map. The result is the tool's, parsed as
    JSON if it is an object, a list or a number."""

    type: Literal["tool"]
    tool: str = Field(min_length=1, max_length=140)
    arguments: dict[str, Any] = Field(default_factory=dict, max_length=50)


class PipelineStep(FlowStep):
    """Sends events (a list or one object) through a pipeline's transforms; the result is the output. Nothing
    is delivered. Has either `pipelineId` or a `definition`."""

    type: Literal["pipeline"]
    pipeline_id: str | None = Field(default=None, min_length=1, max_length=128)
    definition: dict[str, Any] | None = None
    events: Expression = "last"

    @model_validator(mode="after")
    def _one_pipeline(self) -> "PipelineStep":
        if (self.pipeline_id is None) == (self.definition is None):
            raise ValueError("must have either pipelineId or definition")
        return self


class WaitStep(FlowStep):
    """Suspends the flow until a person answers; the result is the answer. If it is rejected, or not answered
    in time, the flow ends and no further step runs."""

    type: Literal["wait_for_input"]
    prompt: str = Field(default="", max_length=2000)
    choices: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None, min_length=1, max_length=20, description="the possible answers"
    )
    answer_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="JSON Schema of the answer"
    )
    approvers: Approvers | None = Field(
        default=None, description="the people who may answer; by default the user who started the flow"
    )
    expires: int | None = Field(
        default=None, ge=1, description="seconds to wait; by default as long as the deployment allows"
    )


class EndStep(FlowStep):
    """Ends the flow, with the `result` of an expression."""

    type: Literal["end"]
    result: Expression = "last"


class NotifyStep(FlowStep):
    """Sends an object through a destination of one of the organization's pipelines; the result is the
    outcome."""

    type: Literal["notify"]
    pipeline_id: str = Field(min_length=1, max_length=128)
    destination: int = Field(default=0, ge=0, le=31, description="the pipeline's destination, from 0")
    payload: dict[str, Any] = Field(default_factory=dict, max_length=50)


Step = Annotated[
    AgentStep | ToolStep | PipelineStep | WaitStep | EndStep | NotifyStep, Field(discriminator="type")
]


class FlowSettings(WireModel):
    """The settings of a flow that clients can set. `output` is an expression; without it the last step's
    result is that of the flow."""

    description: str = Field(default="", max_length=1000)
    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS)
    output: Expression | None = None
    limits: AgentLimits = Field(default_factory=lambda: AgentLimits(max_tokens=100_000))
    managed_by: ManagedBy = ""

    @field_validator("steps")
    @classmethod
    def _names_differ(cls, steps: list[Step]) -> list[Step]:
        if len({step.name for step in steps}) < len(steps):
            raise ValueError("every step must have its own name")
        return steps


class NewFlow(FlowSettings):
    """A flow to create."""

    name: FlowName


class FlowReplacement(FlowSettings):
    """A flow as GET returns it, with edits; `name`, `createdAt` and `updatedAt` are ignored."""

    name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Flow(NewFlow):
    """A flow of an organization."""

    created_at: str
    updated_at: str

    @property
    def agent_id(self) -> str:
        """The agent id of its runs."""
        return agent_id_of(self.name)

    def summary(self) -> dict[str, Any]:
        """Return the flow without its steps, for those who only run it."""
        shown = {"name", "description", "created_at", "updated_at"}
        return self.model_dump(mode="json", by_alias=True, include=shown)


def agent_id_of(flow: str) -> str:
    """Return the agent id of a flow's runs."""
    return AGENT_PREFIX + flow


class StepAnswer(Struct, frozen=True):
    """A person's answer to a step that waited. `by` is empty if nobody answered in time."""

    step: str
    decision: str
    by: str
    at: str
    reason: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "step": self.step,
            "decision": self.decision,
            "answeredBy": self.by or None,
            "answeredAt": self.at,
            "reason": self.reason,
        }


class Execution(Struct, frozen=True):
    """One execution: the flow as it was at the start, the input, the results and answers so far, and the next
    step. `begun` names a step that has started and must not run twice; `owner` is the user who started the
    execution."""

    id: str
    flow: Flow
    input: Any
    run_id: str = ""
    owner: str = ""
    created_at: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    answers: list[StepAnswer] = field(default_factory=list)
    next_step: int = 0
    begun: str = ""

    def payload(self) -> dict[str, Any]:
        """Return the values that expressions see."""
        last = list(self.results.values())[-1] if self.results else self.input
        answers = {answer.step: answer.to_wire() for answer in self.answers}
        return {"input": self.input, "steps": self.results, "last": last, "answers": answers}

    def reached(self, step: str, result: Any) -> "Execution":
        """Return the execution with the result of the next step added."""
        results = self.results | {step: result}
        return replace(self, results=results, next_step=self.next_step + 1, begun="")
