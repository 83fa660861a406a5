"""Answers about flows."""

from typing import Any, Literal

from pydantic import Field, RootModel

from millrace.api.schemas.base import JsonObject, Page, Shape
from millrace.domain.event_types import TokenUsage, WaitingFor
from millrace.domain.flows import Flow


class FlowSummary(Shape):
    """A flow for those who only run it: without its steps."""

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
    """The end of a flow's run: its `result`, or the step that waits. `cost` is in US dollars, null where the
    model's price is not known."""

    run_id: str
    execution_id: str
    state: Literal["waiting", "completed"]
    finish_reason: str
    result: Any
    waiting_for: WaitingFor | None
    steps: list[StepOutcome]
    usage: TokenUsage | None
    cost: float | None
    duration_ms: int | None


class FlowExecution(Shape):
    """An execution that waits for input."""

    execution_id: str
    flow: str
    steps: JsonObject = Field(description="the results so far by step; `{}` where its agents hide them")
    waiting_for: WaitingFor | None
