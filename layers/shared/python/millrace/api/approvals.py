"""Calls that wait for a person, over HTTP: the list, and the answers."""

from typing import Any

from msgspec import Struct
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.accept import wants_stream
from millrace.api.conversations import NOT_FOUND
from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import CURSOR, DETAIL, NAMED_EVENTS, STREAM, limit
from millrace.api.resume import detail_of
from millrace.api.streams import Streams
from millrace.domain.access import Principal
from millrace.domain.approvals import REASON_CHARACTERS, Decision, GivenAnswer, WaitingCall
from millrace.domain.conversations import Slot
from millrace.domain.wire import WireModel
from millrace.services.runs.answers import answer_call
from millrace.services.runs.converse import answer_calls
from millrace.services.runs.waiting_calls import list_in_conversation, list_waiting
from millrace.stores.approvals import Position
from millrace.stores.connect import Stores

PAGE = 50
ANSWER_ERRORS = (
    "already_answered",
    "call_not_found",
    "invalid_answer",
    "invalid_arguments",
    "not_an_approver",
    "not_waiting",
    "run_not_found",
)


class AnswerCall(WireModel):
    """An answer to a waiting call: `approve` or `reject` for a tool, `answer` or `reject` for a question.
    `arguments` replace those from the agent."""

    call_id: str = Field(min_length=1, max_length=256)
    decision: Decision
    arguments: dict[str, Any] | None = None
    content: Any = None
    reason: str | None = Field(default=None, max_length=REASON_CHARACTERS)

    def given(self) -> GivenAnswer:
        """Return the answer in the form of the services."""
        return GivenAnswer(self.call_id, self.decision, self.arguments, self.content, self.reason)


class Approvals(Struct, frozen=True):
    """The endpoints of approvals."""

    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "GET",
                "/api/approvals",
                "List the calls that wait for an answer, in the order in which they expire",
                "chat",
                self.list_approvals,
                parameters=(
                    limit(100, PAGE),
                    CURSOR,
                    Parameter("conversationId", "Only those of this conversation"),
                    Parameter("threadId", "With `conversationId`: only those of this thread"),
                ),
                answers={200: "WaitingCallPage"},
                errors=NOT_FOUND,
            ),
            Endpoint(
                "POST",
                "/api/runs/{run_id}/answers",
                "Answer a waiting call; the response is JSON, or the run's events that follow",
                "chat",
                self.answer,
                body=AnswerCall,
                parameters=(STREAM, DETAIL, NAMED_EVENTS),
                answers={200: Answer("WaitingCall", events="RunEvent", headers=("x-run-id",)), 204: EMPTY},
                errors=ANSWER_ERRORS,
            ),
        ]

    async def list_approvals(self, request: Request, caller: Principal) -> Response:
        conversation_id = request.query_params.get("conversationId")
        if conversation_id:
            thread_id = request.query_params.get("threadId") or None
            slot = Slot.of(caller.organization, conversation_id, thread_id)
            return _page(caller, await list_in_conversation(self.stores, caller, slot), None)
        most = whole_number(request, "limit", PAGE, 1, 100)
        key = from_cursor(request.query_params.get("cursor"), *Position._fields)
        after = Position(**key) if key else None
        return _page(caller, *await list_waiting(self.stores, caller, most, after))

    async def answer(self, request: Request, caller: Principal) -> ASGIApp:
        given, run_id = await read_body(request, AnswerCall), request.path_params["run_id"]
        if not wants_stream(request):
            call = await answer_call(self.stores, caller, run_id, given.given())
            return JSONResponse(call.seen_by(caller))
        detail_of(request)
        [call], after = await answer_calls(self.stores, caller, run_id, [given.given()])
        run = await self.stores.runs.get(caller.organization, call.run_id)
        return await Streams(self.stores).rest(request, run, after)


def _page(caller: Principal, calls: list[WaitingCall], more: Position | None) -> Response:
    items = [call.seen_by(caller) for call in calls]
    return JSONResponse({"items": items, "nextCursor": to_cursor(more._asdict()) if more else None})
