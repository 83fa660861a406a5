"""Runs, and their calls that wait for people."""

from collections.abc import Sequence
from typing import Any, Literal

from millrace.api.schemas.conversations import WaitingCall, WaitingCallPage
from millrace.client.answers import as_it_is, json_page, model
from millrace.client.calls import Call, Request, given, path
from millrace.client.follow import Cursor
from millrace.client.operations import IO, Listing, Resource, RunWatch, listing, operation, run_stream
from millrace.client.resources.plans import run_plan
from millrace.domain.center_event_types import RunModelCallEvent, RunView
from millrace.domain.event_types import RunEvent
from millrace.domain.events import Detail
from millrace.domain.runs import RunState

Decision = Literal["approve", "reject", "answer"]


class Runs(Resource[IO]):
    """`client.runs`"""

    @operation
    def get(self, run_id: str) -> Call[RunView]:
        """Read a run."""
        return Call(Request("GET", path("/api/runs/{}", run_id)), as_it_is)

    @listing
    def list(
        self,
        *,
        agent_id: str | None = None,
        state: RunState | None = None,
        conversation_id: str | None = None,
        user: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Listing[RunView]:
        """List runs, latest first: your own, or with the scope observe the organization's."""
        query = given(
            agentId=agent_id,
            state=state,
            conversationId=conversation_id,
            user=user,
            since=since,
            until=until,
            limit=limit,
        )
        return Listing(Request("GET", "/api/runs", query), json_page)

    @listing
    def events(
        self, run_id: str, *, detail: Detail | None = None, limit: int | None = None
    ) -> Listing[dict[str, Any]]:
        """List the events of a run with their times, as long as they are kept: `{id, time, event}`."""
        where, query = path("/api/runs/{}/events", run_id), given(detail=detail, limit=limit)
        return Listing(Request("GET", where, query), json_page)

    @operation
    def model_calls(self, run_id: str) -> Call[Sequence[RunModelCallEvent]]:
        """List the latest model calls of a run, with tokens, cost and times."""
        return Call(Request("GET", path("/api/runs/{}/model-calls", run_id)), lambda data: data["items"])

    @run_stream
    def stream(
        self,
        run_id: str,
        *,
        after: str | int | None = None,
        detail: Detail | None = None,
        through_waiting: bool = False,
    ) -> RunWatch[RunEvent]:
        """Stream a run, active or ended, from its start or after an event (its id or number). Events are kept
        for 24 hours. See `conversations.send_message_stream` for the end of the stream."""
        request = Request("GET", path("/api/runs/{}/stream", run_id), given(detail=detail))
        last = None if after is None else after if "." in str(after) else f"{run_id}.{after}"
        cursor = Cursor(run_id, last if last is None else str(last))
        return RunWatch(run_plan(request, detail, through_waiting), cursor)


class Approvals(Resource[IO]):
    """`client.approvals`"""

    @listing
    def list(
        self,
        *,
        conversation_id: str | None = None,
        thread_id: str | None = None,
        limit: int | None = None,
    ) -> Listing[WaitingCall]:
        """List the calls that wait for people, in the order in which they expire."""
        query = given(conversationId=conversation_id, threadId=thread_id, limit=limit)
        return Listing(Request("GET", "/api/approvals", query), model(WaitingCallPage))

    @operation
    def answer(
        self,
        run_id: str,
        call_id: str,
        decision: Decision,
        *,
        content: Any = None,
        arguments: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> Call[WaitingCall]:
        """Answer a call: `approve` a tool (optionally with other `arguments`) or `reject` it, or `answer` a
        question with `content`. An answer counts once; repeating it returns the same result."""
        return Call(_answer(run_id, call_id, decision, content, arguments, reason), model(WaitingCall))

    @run_stream
    def answer_stream(
        self,
        run_id: str,
        call_id: str,
        decision: Decision,
        *,
        content: Any = None,
        arguments: dict[str, Any] | None = None,
        reason: str | None = None,
        detail: Detail | None = None,
        through_waiting: bool = False,
    ) -> RunWatch[RunEvent]:
        """Answer a call, and stream what follows. If other calls of the run are still waiting, nothing
        follows."""
        request = _answer(run_id, call_id, decision, content, arguments, reason, given(detail=detail))
        return RunWatch(run_plan(request, detail, through_waiting), Cursor())


def _answer(
    run_id: str,
    call_id: str,
    decision: Decision,
    content: Any,
    arguments: dict[str, Any] | None,
    reason: str | None,
    query: dict[str, Any] | None = None,
) -> Request:
    body = given(callId=call_id, decision=decision, content=content, arguments=arguments, reason=reason)
    return Request("POST", path("/api/runs/{}/answers", run_id), query or {}, body, repeatable=True)
