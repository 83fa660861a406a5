"""Flows, and the tasks of other agents."""

from collections.abc import Mapping
from typing import Any, Literal

from millrace.api.schemas.conversations import StoppedRun
from millrace.api.schemas.flows import (
    FlowExecution,
    FlowExecutionPage,
    FlowExecutionSummary,
    FlowPage,
    FlowResult,
    FlowSummary,
)
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, new_key, path
from millrace.client.follow import Cursor, Plan
from millrace.client.naming import body
from millrace.client.operations import (
    IO,
    Listing,
    Resource,
    RunWatch,
    Watch,
    event_stream,
    listing,
    operation,
    run_stream,
)
from millrace.client.resources.plans import run_plan
from millrace.domain.event_types import RunEvent
from millrace.domain.events import Detail
from millrace.domain.flows import Flow, FlowSettings

BASE = "/api/flows"
Definition = FlowSettings | Mapping[str, Any] | None
Decision = Literal["answer", "approve", "reject"]
LONGEST_FLOW = 900.0
_FINAL = ("completed", "failed", "canceled", "rejected")


def _view(data: Any) -> Flow | FlowSummary:
    return model(Flow)(data) if "steps" in data else model(FlowSummary)(data)


class Flows(Resource[IO]):
    """`client.flows`"""

    @listing
    def list(self, *, query: str | None = None, limit: int | None = None) -> Listing[Flow | FlowSummary]:
        """List flows by name; `query` has words of the name or the description."""
        return Listing(Request("GET", BASE, given(q=query, limit=limit)), model(FlowPage))

    @operation
    def get(self, name: str) -> Call[Flow | FlowSummary]:
        """Read a flow."""
        return Call(Request("GET", path(BASE + "/{}", name)), _view)

    @operation
    def create(self, definition: Definition = None, /, **fields: Any) -> Call[Flow]:
        """Create a flow: `create(name="report", steps=[...])`."""
        return Call(Request("POST", BASE, body=body(definition, fields)), model(Flow))

    @operation
    def put(
        self,
        name: str,
        definition: Definition = None,
        /,
        unchanged_since: str | None = None,
        dry_run: bool | None = None,
        **fields: Any,
    ) -> Call[Flow]:
        """Replace a flow, or create it."""
        options = given(unchangedSince=unchanged_since, dryRun=dry_run)
        return Call(Request("PUT", path(BASE + "/{}", name), options, body(definition, fields)), model(Flow))

    @operation
    def delete(self, name: str, *, unchanged_since: str | None = None) -> Call[None]:
        """Delete a flow."""
        options = given(unchangedSince=unchanged_since)
        return Call(Request("DELETE", path(BASE + "/{}", name), options), nothing)

    @operation
    def run(self, name: str, input: Any = None, *, idempotency_key: str | None = None) -> Call[FlowResult]:
        """Run a flow, and wait for its result or for a step that waits for a person."""
        return Call(_event(name, {"input": input}, idempotency_key), model(FlowResult), LONGEST_FLOW)

    @run_stream
    def run_stream(
        self,
        name: str,
        input: Any = None,
        *,
        detail: Detail | None = None,
        idempotency_key: str | None = None,
        through_waiting: bool = False,
    ) -> RunWatch[RunEvent]:
        """Run a flow, and stream its steps."""
        request = _event(name, {"input": input}, idempotency_key, given(detail=detail))
        return RunWatch(run_plan(request, detail, through_waiting), Cursor())

    @operation
    def answer(
        self,
        name: str,
        execution_id: str,
        input: Any = None,
        *,
        step: str | None = None,
        decision: Decision | None = None,
        reason: str | None = None,
    ) -> Call[FlowResult]:
        """Answer the waiting step, and wait for the result."""
        fields = given(executionId=execution_id, input=input, step=step, decision=decision, reason=reason)
        return Call(_event(name, fields), model(FlowResult), LONGEST_FLOW)

    @listing
    def executions(self, name: str, *, limit: int | None = None) -> Listing[FlowExecutionSummary]:
        """List the executions of a flow, latest first."""
        where = path(BASE + "/{}/executions", name)
        return Listing(Request("GET", where, given(limit=limit)), model(FlowExecutionPage))

    @operation
    def execution(self, name: str, execution_id: str) -> Call[FlowExecution]:
        """Read an execution with its results."""
        return Call(
            Request("GET", path(BASE + "/{}/executions/{}", name, execution_id)), model(FlowExecution)
        )

    @operation
    def cancel(self, name: str, execution_id: str) -> Call[StoppedRun]:
        """Stop an execution, even one that is waiting."""
        where = path(BASE + "/{}/executions/{}/cancel", name, execution_id)
        return Call(Request("POST", where, repeatable=True), model(StoppedRun))


def _event(
    name: str, fields: dict[str, Any], key: str | None = None, query: dict[str, Any] | None = None
) -> Request:
    return Request("POST", path(BASE + "/{}/events", name), query or {}, fields, headers=new_key(key))


class Tasks(Resource[IO]):
    """`client.tasks`: tasks of the agent-to-agent protocol."""

    @event_stream
    def stream(
        self, task_id: str, *, after: str | None = None, detail: Detail | None = None
    ) -> Watch[dict[str, Any]]:
        """Stream the updates of a task until it ends or asks for input; see `TaskEvent` in
        `millrace.api.schemas.a2a`."""
        request = Request("GET", path("/api/a2a/tasks/{}/stream", task_id), given(detail=detail))
        return Watch(Plan(request, lambda cursor: request, _is_final), Cursor(last_id=after))


def _is_final(event: Mapping[str, Any]) -> bool:
    """Return whether a task has ended or waits for its client."""
    return event["type"] == "statusUpdate" and event.get("status") in (*_FINAL, "input-required")
