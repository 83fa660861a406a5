"""The Model Context Protocol over streamable HTTP: one address, no state in any process.

Before version 2026-07-28 a client has a session, whose id contains everything that must be known about it
(see `protocols.mcp.calls`). Since then each request contains that itself. Both kinds are handled in the same
way.
"""

from dataclasses import dataclass, field
from typing import Any

from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp_types import METHOD_NOT_FOUND
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.audited import noted_method
from millrace.api.endpoint import Endpoint
from millrace.api.mcp_calls import AgentCalls, check_chat
from millrace.api.mcp_challenge import METADATA, PATH, base_url
from millrace.api.mcp_messages import (
    OLDEST_STREAMED,
    SESSION,
    VERSION,
    Refused,
    envelope,
    is_modern,
    read_message,
    refusal,
)
from millrace.api.mcp_server import McpServer
from millrace.api.operation import ANY_TOKEN, EMPTY, Answer
from millrace.domain.access import SCOPES, Principal
from millrace.domain.runs import Run
from millrace.errors import Conflict, NotFound
from millrace.protocols.mcp.calls import (
    HANDSHAKE_VERSION,
    Call,
    Session,
    is_request_id,
    parse_session,
)
from millrace.protocols.mcp.encoding import response, task_of
from millrace.protocols.mcp.questions import parse_question_id
from millrace.protocols.mcp.tool_names import agent_id_of
from millrace.services.pipelines.context import PipelineContext
from millrace.services.runs.access import authorize_run
from millrace.services.runs.converse import stop
from millrace.services.runs.platform import Platform
from millrace.stores.run_names import run_id_of

Json = dict[str, Any]
TASKS: Json = {"cancel": {}, "requests": {"tools": {"call": {}}}}


@dataclass(frozen=True, slots=True)
class McpApi:
    """The endpoints of MCP."""

    platform: Platform
    context: PipelineContext
    _server: McpServer = field(init=False)
    _calls: AgentCalls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_server", McpServer(self.platform, self.context))
        object.__setattr__(self, "_calls", AgentCalls(self.platform))

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints. Their contract is MCP's, so the OpenAPI document omits them."""
        message = Answer("McpMessage", events="McpMessage")
        return [
            Endpoint(
                "POST",
                PATH,
                "Send an MCP message",
                ANY_TOKEN,
                self.post,
                audited=False,
                credential="token",
                answers={200: message, 202: EMPTY},
            ),
            Endpoint(
                "GET",
                PATH,
                "Continue the answer to a call after `Last-Event-ID`",
                ANY_TOKEN,
                self.resume,
                credential="token",
                answers={200: message, 204: EMPTY},
            ),
            Endpoint(
                "DELETE",
                PATH,
                "End a session",
                ANY_TOKEN,
                self.end,
                credential="token",
                answers={204: EMPTY},
            ),
            *(
                Endpoint(
                    "GET",
                    path,
                    "Return where clients get tokens (RFC 9728)",
                    ANY_TOKEN,
                    self.metadata,
                    credential="none",
                    answers={200: "McpResource"},
                )
                for path in (METADATA, METADATA + PATH)
            ),
        ]

    async def post(self, request: Request, caller: Principal) -> ASGIApp:
        message: Json = {}
        try:
            message = await read_message(request)
            if "method" not in message:
                return await self._accept_answer(request, caller, message)
            if "id" not in message:
                await self._accept_notification(request, caller, message)
                return Response(status_code=202)
            if is_modern(request):
                return await self._modern(request, caller, message)
            return await self._with_session(request, caller, message)
        except Exception as error:
            return refusal(request, error, message.get("id"), modern=is_modern(request))

    async def resume(self, request: Request, caller: Principal) -> ASGIApp:
        last = request.headers.get("last-event-id", "").strip()
        if not last or is_modern(request):
            return Response(status_code=405, headers={"allow": "POST, DELETE"})
        check_chat(caller)
        return await self._calls.resume(request, caller, last)

    async def end(self, request: Request, caller: Principal) -> Response:
        """End a session, for which nothing has to be done: runs continue, and a session is only its id."""
        return Response(status_code=204)

    async def metadata(self, request: Request, caller: Principal) -> Response:
        return JSONResponse(
            {
                "resource": base_url(request) + PATH,
                "resource_name": "Millrace",
                "authorization_servers": [self.platform.settings.oidc_issuer],
                "bearer_methods_supported": ["header"],
                "scopes_supported": sorted(SCOPES),
            }
        )

    # --- requests ----------------------------------------------------------------------------------

    async def _modern(self, request: Request, caller: Principal, message: Json) -> ASGIApp:
        version, client, capabilities = envelope(request, message)
        elicits = isinstance(capabilities, dict) and "elicitation" in capabilities
        if _asks_agent(message):
            call = _call(message, version, elicits=elicits)
            return await self._calls.call(request, caller, call, message["params"], None)
        result = await self._server.answer(request, message, version, client, capabilities)
        return JSONResponse(response(message["id"], result))

    async def _with_session(self, request: Request, caller: Principal, message: Json) -> ASGIApp:
        version = request.headers.get(VERSION, OLDEST_STREAMED)
        if message["method"] == "initialize":
            return await self._initialize(request, message, version)
        session = _session(request)
        call = _call(message, version, elicits=session.elicits if session else False)
        if _asks_agent(message):
            return await self._calls.call(request, caller, call, message["params"], session)
        if message["method"].startswith("tasks/"):
            return await self._task(request, caller, call, message)
        result = await self._server.answer(request, message, version)
        return JSONResponse(response(message["id"], result))

    async def _initialize(self, request: Request, message: Json, version: str) -> Response:
        result = await self._server.answer(request, message, version)
        if result["protocolVersion"] >= HANDSHAKE_VERSION:
            result["capabilities"]["tasks"] = TASKS
        elicits = "elicitation" in message["params"].get("capabilities", {})
        headers = {SESSION: str(Session.new(elicits=elicits))}
        return JSONResponse(response(message["id"], result), headers=headers)

    async def _task(self, request: Request, caller: Principal, call: Call, message: Json) -> ASGIApp:
        """Handle tasks of version 2025-11-25, which are runs."""
        run_id = (message.get("params") or {}).get("taskId")
        if call.version < HANDSHAKE_VERSION or message["method"] not in _TASK_METHODS:
            raise Refused(METHOD_NOT_FOUND, "Method not found", call.request_id, status=200)
        check_chat(caller)
        if not isinstance(run_id, str):
            raise NotFound("Send the taskId.", code="run_not_found")
        if message["method"] == "tasks/result":
            return await self._calls.result(request, caller, call, run_id)
        run = await authorize_run(self.platform.stores, caller, run_id)
        if message["method"] == "tasks/get":
            return JSONResponse(response(call.request_id, task_of(run)))
        await self._stop(request, caller, message["method"], run)
        run = await authorize_run(self.platform.stores, caller, run_id)
        return JSONResponse(response(call.request_id, task_of(run) | {"status": "cancelled"}))

    # --- answers and notifications --------------------------------------------------------------------

    async def _accept_answer(self, request: Request, caller: Principal, message: Json) -> Response:
        """Accept a user's answer to a question that a call has asked, whichever process waits for it."""
        found = parse_question_id(message["id"])
        if found is None:
            raise Refused(-32600, "This server has not sent a request with this id.")
        # An error means that the client cannot ask its user; the question waits for somebody else.
        if "result" in message:
            check_chat(caller)
            await self._calls.answered(request, caller, *found, message["result"])
        return Response(status_code=202)

    async def _accept_notification(self, request: Request, caller: Principal, message: Json) -> None:
        """Stop the run of a call that its client cancels. Other notifications change nothing."""
        request_id: Any = (message.get("params") or {}).get("requestId")
        session = None if is_modern(request) else _session(request)
        if message["method"] != "notifications/cancelled" or session is None or not is_request_id(request_id):
            return
        check_chat(caller)
        try:
            run_id = run_id_of(caller, session.key(request_id))
            run = await authorize_run(self.platform.stores, caller, run_id)
            await self._stop(request, caller, message["method"], run)
        except (NotFound, Conflict):
            return  # it has ended, or never started

    async def _stop(self, request: Request, caller: Principal, method: str, run: Run) -> None:
        stores = self.platform.stores
        await noted_method(
            request, caller, method, {"runId": run.id}, lambda: stop(stores, caller, run.slot, run.id)
        )


_TASK_METHODS = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})


def _asks_agent(message: Json) -> bool:
    name = (message.get("params") or {}).get("name")
    return message["method"] == "tools/call" and isinstance(name, str) and agent_id_of(name) is not None


def _call(message: Json, version: str, *, elicits: bool) -> Call:
    params = message.get("params") or {}
    token = progress_token_from_params(params)
    as_task = version == HANDSHAKE_VERSION and isinstance(params.get("task"), dict)
    return Call(message["id"], version, token, elicits, as_task)


def _session(request: Request) -> Session | None:
    """Return the request's session; None if the client has none. Raises `Refused` if the id is not ours, upon
    which clients begin a new session."""
    text = request.headers.get(SESSION)
    if text is None:
        return None
    session = parse_session(text)
    if session is None:
        raise Refused(-32600, "No session has this id; initialize a new one.", status=404)
    return session
