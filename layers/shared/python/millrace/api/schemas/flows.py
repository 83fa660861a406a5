"""Answers about flows."""

from typing import Any, Literal

from pydantic import Field, RootModel

from millrace.api.schemas.base import JsonObject, Page, Shape
from millrace.domain.event_types import StepAnswer, TokenUsage, WaitingFor
from millrace.domain.flows import Flow
from millrace.domain.runs import RunState


class FlowSummary(Shape):
    """A flow without its steps, for those who only run it."""

    name: str
    description: str
    created_at: str
    updated_at: str


class FlowView(RootModel[Flow | FlowSummary]):
    """A flow; its summary for callers without `agents:read` or `agents:write`."""


class FlowPage(Page[Flow | FlowSummary]):
    """A page of flows, by name."""


class StepOutcome(Shape):
    """A step that has ended."""

    name: str
    ok: bool
    duration_ms: int


class FlowResult(Shape):
    """The result of a flow's run: its `result`, or the step that waits. `cost` is in US dollars, null if the
    model's price is not known."""

    run_id: str
    execution_id: str
    state: Literal["waiting", "completed", "stopped"]
    finish_reason: str
    result: Any
    waiting_for: WaitingFor | None
    answers: list[StepAnswer]
    steps: list[StepOutcome]
    usage: TokenUsage | None
    cost: float | None
    duration_ms: int | None


class FlowExecutionSummary(Shape):
    """An execution of a flow. A field is null if its value is not known, or no longer known."""

    execution_id: str
    flow: str
    run_id: str
    state: RunState | None
    finish_reason: str | None
    error: JsonObject | None
    created_at: str
    ended_at: str | None
    created_by: str | None


class FlowExecutionPage(Page[FlowExecutionSummary]):
    """A page of executions, latest first."""


class FlowExecution(FlowExecutionSummary):
    """An execution with its results, and the step that waits for a person."""

    steps: JsonObject = Field(description="the results so far by step; `{}` where its agents hide them")
    answers: list[StepAnswer]
    waiting_for: WaitingFor | None
