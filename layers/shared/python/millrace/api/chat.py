"""The AI SDK's endpoints: a chat is a conversation. The handlers are imported when they are called."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from millrace.api.approvals import ANSWER_ERRORS
from millrace.api.endpoint import Endpoint
from millrace.api.messages import SEND_ERRORS
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import AFTER, LAST_EVENT_ID, detail
from millrace.domain.access import Principal
from millrace.services.runs.platform import Platform

VERSION = Parameter("ai", "`7`: the client is ai 7 or later", {"type": "string", "enum": ["6", "7"]})
VIEW = (VERSION, detail("full"), AFTER, LAST_EVENT_ID)
RUN_ID, TAIL = "x-workflow-run-id", "x-workflow-stream-tail-index"


class Chat(Struct, frozen=True):
    """The endpoints of the AI SDK."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        chunks = Answer(events="UiMessageChunk", headers=("x-run-id", RUN_ID))
        return [
            Endpoint(
                "POST",
                "/api/chat",
                "Send the last message of a chat, or answers to the calls of its last answer (AI SDK)",
                "chat",
                self.send_chat,
                audited=False,
                checks_caller=True,
                body="ChatRequest",
                body_media=("application/json", "text/plain"),
                parameters=(Parameter("agentId", "The agent of a new chat, if the body names none"), *VIEW),
                answers={200: chunks, 204: EMPTY},
                errors=tuple({*SEND_ERRORS, *ANSWER_ERRORS}),
            ),
            Endpoint(
                "GET",
                "/api/chat/{chat_id}/stream",
                "Stream the active answer of a chat, or an answer by its run, from its start (AI SDK)",
                "chat",
                self.resume_chat,
                parameters=(
                    Parameter(
                        "startIndex", "Start at this chunk; a negative number counts from the last one"
                    ),
                    Parameter("threadId", "A thread of the conversation"),
                    *VIEW,
                ),
                answers={200: chunks._replace(headers=("x-run-id", RUN_ID, TAIL)), 204: EMPTY},
                errors=("conversation_not_found", "invalid_id", "run_expired", "run_not_found"),
            ),
            Endpoint(
                "POST",
                "/api/chat/{chat_id}/stop",
                "Stop the active answer of a chat (AI SDK)",
                "chat",
                self.stop_chat,
                parameters=(Parameter("threadId", "A thread of the conversation"),),
                answers={202: "StoppedRun"},
                errors=("conversation_not_found", "invalid_id", "not_streaming", "run_not_found"),
            ),
        ]

    async def send_chat(self, request: Request, caller: Principal) -> ASGIApp:
        from millrace.api.chat_runs import send_chat

        return await send_chat(self.platform, request, caller)

    async def resume_chat(self, request: Request, caller: Principal) -> ASGIApp:
        from millrace.api.chat_runs import resume_chat

        return await resume_chat(self.platform.stores, request, caller)

    async def stop_chat(self, request: Request, caller: Principal) -> Response:
        from millrace.api.chat_runs import stop_chat

        return await stop_chat(self.platform.stores, request, caller)
