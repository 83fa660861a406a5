"""Messages: send and stream, attach, resume, stop, and live messages."""

from typing import Any, Literal

from msgspec import Struct
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.accept import wants_stream
from millrace.api.answers import RUN_ERRORS
from millrace.api.conversations import NOT_FOUND
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import CURSOR, IDEMPOTENCY_KEY, RESUME, STREAM, THREAD, limit
from millrace.api.resume import cursor_text, detail_of
from millrace.api.sending import send_and_answer
from millrace.api.streams import Streams, slot_of
from millrace.domain.access import Access, Principal
from millrace.domain.branches import BranchPoint
from millrace.domain.content import Content, Parts, attachments, text_of
from millrace.domain.conversations import Slot
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.runs import converse
from millrace.services.runs import inject as injections
from millrace.services.runs.access import authorize
from millrace.services.runs.history import read_history
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform

PAGE = 100
MESSAGE_BODY = 5_900_000
"""A little less than Lambda takes. JSON may write a byte of a text as six, `\u0001`, and many clients
escape all that is not ASCII."""
BASE = "/api/conversations/{conversation_id}"
BRANCH = Parameter("branch", "A message: list its branch, with the latest messages that follow it")
INJECT_ERRORS = (
    "not_streaming",
    "empty_message",
    "message_too_large",
    "too_many_attachments",
    "attachments_too_large",
    "file_too_large",
    "media_type_refused",
    "attachment_not_accepted",
    "file_not_found",
    "file_in_use",
    "file_not_uploaded",
    "too_many_waiting",
    "idempotency_key_reused",
    "conversation_deleted",
    "acceptance_unknown",
)
SEND_ERRORS = (
    *NOT_FOUND,
    "agent_not_found",
    "agent_required",
    "invalid_schema",
    "not_for_live_messages",
    "agent_stopped",
    "limit_reached",
    "run_active",
    "run_waiting",
    "run_not_found",
    "run_expired",
    "still_running",
    "message_not_found",
    "invalid_parent",
    "too_many_branches",
    *INJECT_ERRORS,
)


class SendMessage(WireModel):
    """A message to an agent. `ifBusy` says what to do if the agent is still answering."""

    content: str | Parts = Field(
        description="a text of at most 524,288 bytes of UTF-8, or parts: texts, images and files"
    )
    agent_id: str | None = Field(default=None, max_length=128)
    thread_id: str | None = Field(default=None, max_length=128)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    if_busy: Literal["reject", "inject", "interrupt"] = "reject"
    response_schema: dict[str, Any] | None = Field(
        default=None, description="as in an agent's settings, for this answer only; not for a live message"
    )
    parent_id: str | None = Field(
        default=None,
        max_length=128,
        description="the message that this one follows, null for none. If another message already "
        "follows it, this one begins a branch. By default, the end of the active branch",
    )

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: Content) -> Content:
        if not text_of(content).strip() and not attachments(content):
            raise ValueError("must not be empty")
        return content

    def branch(self) -> BranchPoint | None:
        """Return the position of the message, if it is given."""
        return BranchPoint(self.parent_id or "") if "parent_id" in self.model_fields_set else None


class InjectMessage(WireModel):
    """A live message for a running agent."""

    content: str | Parts = Field(
        description="a text of at most 32,768 bytes of UTF-8, or parts: texts, images and files"
    )
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)


class Messages(Struct, frozen=True):
    """The endpoints of messages."""

    platform: Platform

    @property
    def _streams(self) -> Streams:
        return Streams(self.platform.stores)

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST",
                BASE + "/messages",
                "Send a message; the answer is JSON or streamed",
                "chat",
                self.send_message,
                audited=False,
                checks_caller=True,
                body=SendMessage,
                parameters=(STREAM, IDEMPOTENCY_KEY, *RESUME),
                answers={
                    200: Answer("AgentAnswer", events="RunEvent", headers=("x-run-id",)),
                    202: Answer("PendingAnswer", headers=("x-run-id",)),
                    204: EMPTY,
                },
                errors=(*SEND_ERRORS, *RUN_ERRORS),
                open_errors=(502,),
            ),
            Endpoint(
                "GET",
                BASE + "/messages",
                "List messages, oldest first; streamed: the events of the active or the next run",
                "chat",
                self.list_messages,
                parameters=(limit(200, PAGE), CURSOR, BRANCH, STREAM, *RESUME, THREAD),
                answers={
                    200: Answer("MessagePage", events="RunEvent", headers=("x-run-id",)),
                    204: EMPTY,
                },
                errors=(*NOT_FOUND, "message_not_found", "run_expired", "run_not_found"),
            ),
            Endpoint(
                "POST",
                BASE + "/stop",
                "Stop the active run",
                "chat",
                self.stop_run,
                parameters=(THREAD,),
                answers={202: "StoppedRun"},
                errors=(*NOT_FOUND, "not_streaming"),
            ),
            Endpoint(
                "POST",
                BASE + "/inject",
                "Send a live message to the running agent",
                "chat",
                self.inject_message,
                audited=False,
                body=InjectMessage,
                parameters=(THREAD, IDEMPOTENCY_KEY),
                answers={202: "LiveMessage"},
                errors=(*NOT_FOUND, *INJECT_ERRORS),
            ),
            Endpoint(
                "GET",
                BASE + "/inject",
                "List the waiting live messages",
                "chat",
                self.list_injected,
                parameters=(THREAD,),
                answers={200: "LiveMessagePage"},
                errors=NOT_FOUND,
            ),
            Endpoint(
                "DELETE",
                BASE + "/inject/{message_id}",
                "Withdraw a waiting live message",
                "chat",
                self.withdraw_message,
                parameters=(THREAD,),
                answers={204: EMPTY},
                errors=(*NOT_FOUND, "live_message_not_found", "already_seen"),
            ),
        ]

    # --- sending -----------------------------------------------------------------------------------

    async def send_message(self, request: Request, caller: Principal) -> ASGIApp:
        given = await read_body(request, SendMessage, MESSAGE_BODY)
        detail_of(request)
        message = NewMessage(
            given.content,
            given.agent_id,
            given.thread_id,
            idempotency_key(request, given.idempotency_key),
            given.if_busy,
            response_schema=given.response_schema,
            branch=given.branch(),
        )
        conversation_id = request.path_params["conversation_id"]
        if cursor_text(request):
            slot = Slot.of(caller.organization, conversation_id, given.thread_id)
            return await self._streams.resume(request, caller, slot)
        return await send_and_answer(self.platform, request, caller, conversation_id, message)

    # --- reading -----------------------------------------------------------------------------------

    async def list_messages(self, request: Request, caller: Principal) -> ASGIApp:
        if wants_stream(request):
            return await self._streams.subscribe(request, caller, endless=False)
        slot = await self._slot(request, caller, "read")
        most = whole_number(request, "limit", PAGE, 1, 200)
        after = whole_number(request, "cursor", 0, 0, 10**8)
        branch = request.query_params.get("branch", "")
        items, last = await read_history(self.platform.stores, slot, after, most, detail_of(request), branch)
        return JSONResponse({"items": items, "nextCursor": str(last) if last else None})

    async def _slot(self, request: Request, caller: Principal, wanted: Access) -> Slot:
        """Return the slot that a request names, if the caller has the wanted access to its conversation."""
        slot = slot_of(request, caller)
        await authorize(self.platform.stores, caller, slot, wanted)
        return slot

    # --- steering ----------------------------------------------------------------------------------

    async def stop_run(self, request: Request, caller: Principal) -> Response:
        stopped = await converse.stop(self.platform.stores, caller, slot_of(request, caller))
        return JSONResponse({"runId": stopped, "state": "stopping"}, 202)

    async def inject_message(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, InjectMessage, MESSAGE_BODY)
        slot, key = slot_of(request, caller), idempotency_key(request, given.idempotency_key)
        accepted = await converse.inject(
            self.platform.stores, self.platform.models, caller, slot, given.content, key
        )
        return JSONResponse(accepted.to_wire(), 202)

    async def list_injected(self, request: Request, caller: Principal) -> Response:
        found = await injections.waiting(self.platform.stores, await self._slot(request, caller, "read"))
        return JSONResponse({"items": [one.to_wire() for one in found], "nextCursor": None})

    async def withdraw_message(self, request: Request, caller: Principal) -> Response:
        slot = await self._slot(request, caller, "write")
        await injections.withdraw(self.platform.stores, slot, request.path_params["message_id"])
        return Response(status_code=204)


def idempotency_key(request: Request, given: str | None) -> str | None:
    key = request.headers.get("idempotency-key", "").strip() or given
    if key and len(key) > 200:
        raise InvalidRequest("An idempotency key must not exceed 200 characters.", code="invalid_query")
    return key
