"""Flows: named lists of steps, and how far each execution of one has come."""

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
"""Together they fit into one item of 400 KB."""
AGENT_PREFIX = "flow:"
"""Starts the agent id under which a flow's runs appear."""

FLOW_NAME = r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"
FlowName = Annotated[str, Field(pattern=FLOW_NAME)]
StepName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Expression = Annotated[str, Field(min_length=1, max_length=2000)]


class FlowStep(WireModel):
    """Base of the steps. Expressions see `input` (what was posted), `steps` (results by name), `last`, and
    `answers` (who decided what, by step). A step whose `when` is not true is skipped; its result is null."""

    name: StepName
    when: Expression | None = None


class AgentStep(FlowStep):
    """Asks an agent; the result is its answer's text. With `plan` the agent plans which of its tools to call
    before they are called and it answers."""

    type: Literal["agent"]
    agent_id: str = Field(min_length=1, max_length=128)
    message: Expression = "input"
    plan: bool = False


class ToolStep(FlowStep):
    """Calls a tool; `arguments` are expressions, as in a pipeline's map. The result is what the tool gave,
    as JSON where it is an object, a list or a number."""

    type: Literal["tool"]
    tool: str = Field(min_length=1, max_length=140)
    arguments: dict[str, Any] = Field(default_factory=dict, max_length=50)


class PipelineStep(FlowStep):
    """Takes events (a list or one object) through a pipeline's transforms; the result is its outputs. Nothing
    is delivered. Either `pipelineId` or a `definition`."""

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
    """Suspends the flow until a person answers; the result is what they have given. A rejection, or no answer
    in time, ends the flow: nothing further runs."""

    type: Literal["wait_for_input"]
    prompt: str = Field(default="", max_length=2000)
    choices: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None, min_length=1, max_length=20, description="the only answers there are"
    )
    answer_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="JSON Schema of the answer"
    )
    approvers: Approvers | None = Field(
        default=None, description="who may answer; without it the user who started the flow"
    )
    expires: int | None = Field(
        default=None, ge=1, description="seconds to wait; without it as long as the deployment allows"
    )


class EndStep(FlowStep):
    """Ends the flow here, with the `result` of an expression."""

    type: Literal["end"]
    result: Expression = "last"


class NotifyStep(FlowStep):
    """Sends an object through a destination of a pipeline of the organization; the result tells what became
    of it."""

    type: Literal["notify"]
    pipeline_id: str = Field(min_length=1, max_length=128)
    destination: int = Field(default=0, ge=0, le=31, description="which of the pipeline's destinations")
    payload: dict[str, Any] = Field(default_factory=dict, max_length=50)


Step = Annotated[
    AgentStep | ToolStep | PipelineStep | WaitStep | EndStep | NotifyStep, Field(discriminator="type")
]


class FlowSettings(WireModel):
    """The settings of a flow that a client gives. `output` is an expression; without it the last step's
    result is the flow's."""

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
    """A flow to be made."""

    name: FlowName


class FlowReplacement(FlowSettings):
    """A flow as GET shows it, edited; `name`, `createdAt` and `updatedAt` are ignored."""

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
        """The flow as those may see it who only run it: without its steps."""
        shown = {"name", "description", "created_at", "updated_at"}
        return self.model_dump(mode="json", by_alias=True, include=shown)


def agent_id_of(flow: str) -> str:
    """Return what the runs of a flow carry as agent id."""
    return AGENT_PREFIX + flow


class StepAnswer(Struct, frozen=True):
    """A person's answer to a step that waited. `by` is empty where nobody answered in time."""

    step: str
    decision: str
    by: str
    at: str
    reason: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
        return {
            "step": self.step,
            "decision": self.decision,
            "answeredBy": self.by or None,
            "answeredAt": self.at,
            "reason": self.reason,
        }


class Execution(Struct, frozen=True):
    """One execution: the flow as it was when it began, what was posted, the results and answers so far, and
    the step that comes next. `begun` names a step that has begun and must not run twice; `owner` is the user
    who started it."""

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
        """The values that expressions see."""
        last = list(self.results.values())[-1] if self.results else self.input
        answers = {answer.step: answer.to_wire() for answer in self.answers}
        return {"input": self.input, "steps": self.results, "last": last, "answers": answers}

    def reached(self, step: str, result: Any) -> "Execution":
        """The execution with the result of the step that came next."""
        results = self.results | {step: result}
        return replace(self, results=results, next_step=self.next_step + 1, begun="")
