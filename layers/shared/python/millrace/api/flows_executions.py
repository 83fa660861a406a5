"""Executions of flows over HTTP: start, continue, read and cancel them, as JSON or streamed."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from msgspec import Struct
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.accept import wants_stream
from millrace.api.answers import is_over
from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.flows import BASE, PAGE
from millrace.api.flows_answers import STEP_ERRORS, flow_answer
from millrace.api.operation import EMPTY, Answer
from millrace.api.parameters import CURSOR, IDEMPOTENCY_KEY, RESUME, STREAM, limit
from millrace.api.resume import cursor, cursor_text, detail_of, view_of
from millrace.api.sse import EventStream, frames
from millrace.api.streams import Streams
from millrace.domain.access import Principal
from millrace.domain.approvals import REASON_CHARACTERS, GivenAnswer
from millrace.domain.events import Detail, LogEntry
from millrace.domain.flows import agent_id_of
from millrace.domain.runs import Run
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest, NotFound
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.runs.access import authorize_run
from millrace.services.runs.follow import follow, outcome
from millrace.services.runs.run_session import RunSession

START_ERRORS = (
    "flow_not_found",
    "execution_not_found",
    "run_not_found",
    "run_expired",
    "agent_stopped",
    "limit_reached",
    "run_active",
    "not_waiting",
    "not_an_approver",
    "already_answered",
    "invalid_answer",
    "invalid_arguments",
    "invalid_schema",
    "other_flow",
    "invalid_id",
    "idempotency_key_reused",
    "input_too_large",
    "acceptance_unknown",
)


class FlowEvent(WireModel):
    """The body of a request that runs a flow, with any JSON as `input`. With `executionId` it continues a
    waiting execution (at `step`, if given): `input` is the answer, or the `decision` is to approve or to
    reject."""

    input: Any = None
    execution_id: str | None = Field(default=None, max_length=128)
    step: str | None = Field(default=None, max_length=64)
    decision: Literal["answer", "approve", "reject"] = "answer"
    reason: str | None = Field(default=None, max_length=REASON_CHARACTERS)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)

    def answer(self) -> GivenAnswer:
        """Return the answer to a waiting step."""
        content = self.input if self.decision == "answer" else None
        return GivenAnswer("", self.decision, None, content, self.reason)


class FlowExecutionsApi(Struct, frozen=True):
    """The endpoints of executions."""

    flows: Flows

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        one = BASE + "/{name}"
        return [
            Endpoint(
                "POST",
                one + "/events",
                "Run a flow, or continue one that waits; the response is JSON or streamed step by step",
                "chat",
                self.run_flow,
                audited=False,
                body=FlowEvent,
                parameters=(STREAM, IDEMPOTENCY_KEY, *RESUME),
                answers={200: Answer("FlowResult", events="RunEvent", headers=("x-run-id",)), 204: EMPTY},
                errors=(*START_ERRORS, *STEP_ERRORS),
                open_errors=(502,),
            ),
            Endpoint(
                "GET",
                one + "/executions",
                "List a flow's executions, latest first: your own, or with the scope observe all",
                "chat",
                self.list_executions,
                parameters=(limit(100, PAGE), CURSOR),
                answers={200: "FlowExecutionPage"},
                errors=("flow_not_found", "invalid_cursor"),
            ),
            Endpoint(
                "GET",
                one + "/executions/{execution_id}",
                "Read an execution",
                "chat",
                self.get_execution,
                answers={200: "FlowExecution"},
                errors=("execution_not_found", "invalid_id"),
            ),
            Endpoint(
                "POST",
                one + "/executions/{execution_id}/cancel",
                "Stop an execution, even one that is waiting",
                "chat",
                self.cancel_execution,
                answers={202: "StoppedRun"},
                errors=("execution_not_found", "invalid_id", "missing_scope", "not_active"),
            ),
        ]

    async def run_flow(self, request: Request, caller: Principal) -> ASGIApp:
        given, detail = await read_body(request, FlowEvent), detail_of(request)
        name, key, end = request.path_params["name"], _key(request, given), deadline(request)
        if cursor_text(request):
            return await self._resume(request, caller, name)
        if given.execution_id is None:
            begun = await self.flows.start(caller, name, given.input, key, end)
        else:
            run, after = await self.flows.executions.answer(
                caller, name, given.execution_id, given.step, given.answer()
            )
            return await self._follow(request, run, after, detail)
        if isinstance(begun, FlowRun):
            return await self._answer(request, begun.session, detail)
        return await self._replay(request, begun.run, detail)

    async def _resume(self, request: Request, caller: Principal, name: str) -> ASGIApp:
        """Resume the stream of a run: a POST with the id of the last event continues that run and starts no
        other."""
        stores = self.flows.platform.stores
        event = cursor(request)
        run = await authorize_run(stores, caller, (event and event.run_id) or "")
        if event is None or run.agent_id != agent_id_of(name):
            raise NotFound("The event id does not belong to a run of this flow.", code="run_not_found")
        return await Streams(stores).rest(request, run, event.seq)

    async def _answer(self, request: Request, session: RunSession, detail: Detail) -> ASGIApp:
        if wants_stream(request):
            return _stream(request, session.run, session.event_feed, detail, session)
        events = [event async for batch in session.event_feed for event in batch]
        await session.over()
        if not is_over(events):  # another process continues it
            rest = follow(self.flows.platform.stores, session.run, events[-1].seq, deadline(request))
            events += [event async for batch in rest for event in batch]
        return flow_answer(request, session.run, events, detail)

    async def _follow(self, request: Request, run: Run, after: int, detail: Detail) -> ASGIApp:
        """Stream the run's events after a number from the log, while another process runs it."""
        found = follow(self.flows.platform.stores, run, after, deadline(request))
        if wants_stream(request):
            return _stream(request, run, found, detail)
        return flow_answer(request, run, [event async for batch in found for event in batch], detail)

    async def _replay(self, request: Request, run: Run, detail: Detail) -> ASGIApp:
        stores = self.flows.platform.stores
        if wants_stream(request):
            return _stream(request, run, follow(stores, run, 0, deadline(request)), detail)
        events = await outcome(stores, run, deadline(request))
        return flow_answer(request, run, events, detail)

    async def get_execution(self, request: Request, caller: Principal) -> Response:
        name, execution_id = request.path_params["name"], request.path_params["execution_id"]
        return JSONResponse(await self.flows.executions.read(caller, name, execution_id))

    async def list_executions(self, request: Request, caller: Principal) -> Response:
        most, name = whole_number(request, "limit", PAGE, 1, 100), request.path_params["name"]
        after = from_cursor(request.query_params.get("cursor"), "id") or {"id": ""}
        found, last = await self.flows.executions.page(caller, name, after["id"], most)
        return JSONResponse({"items": found, "nextCursor": to_cursor({"id": last}) if last else None})

    async def cancel_execution(self, request: Request, caller: Principal) -> Response:
        name, execution_id = request.path_params["name"], request.path_params["execution_id"]
        run_id = await self.flows.executions.cancel(caller, name, execution_id)
        return JSONResponse({"runId": run_id, "state": "stopping"}, 202)


def _stream(
    request: Request,
    run: Run,
    events: AsyncIterator[list[LogEntry]],
    detail: Detail,
    session: RunSession | None = None,
) -> EventStream:
    return EventStream(
        frames(events, view_of(request, run, detail)),
        headers={"x-run-id": run.id},
        on_end=session.over if session else None,
        on_disconnect=session.leave if session else None,
    )


def _key(request: Request, given: FlowEvent) -> str | None:
    key = request.headers.get("idempotency-key", "").strip() or given.idempotency_key
    if key and len(key) > 200:
        raise InvalidRequest("An idempotency key must not exceed 200 characters.", code="invalid_query")
    return key
