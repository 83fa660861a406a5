"""The branches of a conversation: other answers to the same question, and the active branch."""

from functools import partial
from typing import Any, Literal

from msgspec import Struct
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.answers import RUN_ERRORS
from millrace.api.conversations import NOT_FOUND
from millrace.api.endpoint import Endpoint, read_body
from millrace.api.messages import BASE, SEND_ERRORS, idempotency_key
from millrace.api.operation import EMPTY, Answer
from millrace.api.parameters import IDEMPOTENCY_KEY, RESUME, STREAM, THREAD
from millrace.api.resume import cursor_text, detail_of
from millrace.api.sending import send_and_answer
from millrace.api.streams import Streams, slot_of
from millrace.domain.access import Principal
from millrace.domain.branches import BranchPoint
from millrace.domain.conversations import Slot
from millrace.domain.wire import WireModel
from millrace.services.runs.access import authorize
from millrace.services.runs.branches import select_branch
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform


class Regenerate(WireModel):
    """A request for another answer. The existing one is kept; the new one is on a branch of its own."""

    message_id: str = Field(
        default="",
        max_length=128,
        description="a message of the answer, or the question; by default the latest answer of the active "
        "branch",
    )
    agent_id: str | None = Field(default=None, max_length=128)
    thread_id: str | None = Field(default=None, max_length=128)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    if_busy: Literal["reject", "interrupt"] = "reject"
    response_schema: dict[str, Any] | None = Field(
        default=None, description="as in an agent's settings, for this answer only"
    )


class SelectBranch(WireModel):
    """The branch to continue: the one with this message and the latest messages that follow it."""

    message_id: str = Field(min_length=1, max_length=128)


class Branches(Struct, frozen=True):
    """The endpoints of branches."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST",
                BASE + "/regenerate",
                "Answer a question again; the answer is JSON or streamed",
                "chat",
                self.regenerate,
                audited=False,
                checks_caller=True,
                body=Regenerate,
                body_required=False,
                parameters=(STREAM, IDEMPOTENCY_KEY, *RESUME),
                answers={200: Answer("AgentAnswer", events="RunEvent", headers=("x-run-id",)), 204: EMPTY},
                errors=(*SEND_ERRORS, *RUN_ERRORS, "nothing_to_regenerate"),
                open_errors=(502,),
            ),
            Endpoint(
                "PUT",
                BASE + "/branch",
                "Make the branch with a message the active one",
                "chat",
                self.select,
                body=SelectBranch,
                parameters=(THREAD,),
                answers={200: "SelectedBranch"},
                errors=(*NOT_FOUND, "message_not_found", "run_active", "conversation_deleted"),
            ),
        ]

    async def regenerate(self, request: Request, caller: Principal) -> ASGIApp:
        given = await read_body(request, Regenerate)
        detail_of(request)
        conversation_id = request.path_params["conversation_id"]
        if cursor_text(request):
            slot = Slot.of(caller.organization, conversation_id, given.thread_id)
            return await Streams(self.platform.stores).resume(request, caller, slot)
        message = NewMessage(
            "",
            given.agent_id,
            given.thread_id,
            idempotency_key(request, given.idempotency_key),
            given.if_busy,
            response_schema=given.response_schema,
            branch=BranchPoint(given.message_id, again=True),
        )
        return await send_and_answer(self.platform, request, caller, conversation_id, message)

    async def select(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, SelectBranch)
        slot, stores = slot_of(request, caller), self.platform.stores
        allow = partial(authorize, stores, caller, slot, "write")
        last = await select_branch(stores, slot, given.message_id, allow)
        return JSONResponse({"messageId": last})
