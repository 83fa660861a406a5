"""A2A 1.0 over HTTP: agent cards, the two bindings, and a task's stream for browsers.

Each exposed agent has one address, `/a2a/{agentId}`. JSON-RPC requests are posted to it; HTTP+JSON is below
it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson
from a2a.types.a2a_pb2 import (
    AgentSkill,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from a2a.utils.proto_utils import parse_params
from google.protobuf.json_format import ParseError
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace import __version__
from millrace.api.a2a_call import Call
from millrace.api.a2a_http import (
    ERRORS,
    call_of,
    check_version,
    event_stream,
    is_json,
    noted_change,
    parsed,
    read_object,
)
from millrace.api.a2a_pushes import PushOperations
from millrace.api.a2a_rpc import Rpc
from millrace.api.a2a_tasks import Tasks
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint
from millrace.api.operation import ANY_TOKEN, EMPTY, Answer
from millrace.api.parameters import RESUME
from millrace.api.resume import cursor_of
from millrace.api.stream_session import session_of
from millrace.domain.access import Principal
from millrace.domain.agents import CONFORMANCE, Agent, fixed_agent
from millrace.domain.clock import from_iso
from millrace.domain.ids import valid_id
from millrace.errors import Unauthenticated
from millrace.protocols.a2a.card import agent_card, etag_of, tool_skill
from millrace.protocols.a2a.encoding import list_json, rest, to_json, typed
from millrace.protocols.a2a.errors import rest_error
from millrace.services.runs.agent_tools import no_sub_agent, open_tools
from millrace.services.runs.converse import default_agent_id
from millrace.services.runs.follow import has_more
from millrace.services.runs.platform import Platform
from millrace.services.tasks.read import task_run
from millrace.stores.agents import unknown_agent

WELL_KNOWN = "/.well-known/agent-card.json"
BASE = "/a2a/{agent_id}"
PUSH = "/pushNotificationConfigs"
CACHED = "max-age=300"
Operate = Callable[[Request, Call], Awaitable[ASGIApp]]


class A2A(Struct, frozen=True):
    """The endpoints of A2A."""

    platform: Platform

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.platform)

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints that are our own. Those of the protocol are described by its specification."""
        return [
            Endpoint(
                "GET",
                "/api/a2a/tasks/{task_id}/stream",
                "Stream a task's updates, from its start or after any event",
                "chat",
                self.stream_task,
                parameters=RESUME,
                answers={200: Answer(events="TaskEvent", headers=("x-run-id",)), 204: EMPTY},
                errors=("run_expired", "run_not_found"),
            )
        ]

    def protocol_endpoints(self) -> list[Endpoint]:
        """Return the endpoints of A2A's specification."""
        task = BASE + "/tasks/{task_id}"
        return [
            *(_public(path, self.show_card) for path in (WELL_KNOWN, BASE + WELL_KNOWN)),
            *(_endpoint("POST", path, self.rpc) for path in (BASE, BASE + "/")),
            self._operation("POST", BASE + "/message:send", self.send),
            self._operation("POST", BASE + "/message:stream", self.stream),
            self._operation("GET", BASE + "/tasks", self.list_tasks),
            self._operation("GET", BASE + "/extendedAgentCard", self.extended_card),
            self._operation("POST", task + ":cancel", self.cancel),
            self._operation("GET", task + ":subscribe", self.subscribe),
            self._operation("POST", task + ":subscribe", self.subscribe),
            self._operation("GET", task, self.get),
            self._operation("POST", task + PUSH, self.create_push),
            self._operation("GET", task + PUSH, self.list_pushes),
            self._operation("GET", task + PUSH + "/{push_id}", self.get_push),
            self._operation("DELETE", task + PUSH + "/{push_id}", self.delete_push),
        ]

    def _operation(self, method: str, path: str, operate: Operate) -> Endpoint:
        """Return the endpoint of an HTTP+JSON operation, with the protocol's errors."""

        async def serve(request: Request, caller: Principal) -> ASGIApp:
            agent = await self._agent(request.path_params["agent_id"], caller)
            try:
                check_version(request)
                if method == "POST" and not is_json(request):
                    raise ContentTypeNotSupportedError("Send JSON, with Content-Type: application/json.")
                return await operate(request, call_of(request, caller, agent))
            except ERRORS as error:
                status, body = rest_error(error)
                return JSONResponse(body, status)

        return _endpoint(method, path, serve)

    # --- cards -------------------------------------------------------------------------------------

    async def show_card(self, request: Request, caller: Principal) -> ASGIApp:
        agent_id = request.path_params.get("agent_id") or default_agent_id(self.platform.settings)
        if not fixed_agent(agent_id) and not caller.organization:
            raise Unauthenticated(
                "The card of an organization's own agent needs a bearer token of the organization.",
                code="token_missing",
            )
        agent = await self._agent(agent_id, caller)
        card = self._card(request, agent)
        return _cached(request, card, agent)

    async def extended_card(self, request: Request, call: Call) -> ASGIApp:
        return _json(await self.whole_card(request, call))

    async def whole_card(self, request: Request, call: Call) -> dict[str, Any]:
        """Return the card with the agent's tools as its skills. If the agent's visibility is limited to
        answers, only callers who may read agents see the skills."""
        if call.agent.visibility == "answer" and not call.caller.may("agents:read"):
            return self._card(request, call.agent)
        organization = call.caller.organization
        async with open_tools(self.platform, organization, call.agent, no_sub_agent) as found:
            skills = [tool_skill(tool.name, tool.description) for tool in found.tools()]
        return self._card(request, call.agent, skills)

    def _card(self, request: Request, agent: Agent, skills: list[AgentSkill] | None = None) -> dict[str, Any]:
        url = f"{self._address(request)}/a2a/{agent.id}"
        settings = self.platform.settings
        pushes = bool(settings.push_queue_url)
        return agent_card(agent, url, __version__, settings.oidc_issuer, skills, pushes=pushes)

    def _address(self, request: Request) -> str:
        """Return the address at which clients reach the deployment."""
        settings = self.platform.settings
        if settings.public_url:
            return settings.public_url.rstrip("/")
        return str(request.base_url).rstrip("/")

    async def _agent(self, agent_id: str, caller: Principal) -> Agent:
        """Return an exposed agent: a built-in one, or one with `exposeA2a`. Raises `NotFound`."""
        hidden = agent_id == CONFORMANCE.id and not self.platform.settings.conformance_agent
        if hidden or not valid_id(agent_id):
            raise unknown_agent(agent_id)
        agent = await self.platform.stores.agents.get(caller.organization, agent_id)
        if not (agent.builtin or agent.expose_a2a):
            raise unknown_agent(agent_id)
        return agent

    # --- operations --------------------------------------------------------------------------------

    async def rpc(self, request: Request, caller: Principal) -> ASGIApp:
        agent = await self._agent(request.path_params["agent_id"], caller)
        return await Rpc(self._tasks, self.whole_card).serve(request, caller, agent)

    async def send(self, request: Request, call: Call) -> ASGIApp:
        given = parsed(await read_object(request), SendMessageRequest())
        sent = await noted_change(request, call, "", given, lambda: self._tasks.send(call, given))
        return _json(to_json(sent))

    async def stream(self, request: Request, call: Call) -> ASGIApp:
        given = parsed(await read_object(request), SendMessageRequest())
        stream = await noted_change(request, call, "", given, lambda: self._tasks.stream(call, given))
        return event_stream(stream, rest)

    async def list_tasks(self, request: Request, call: Call) -> ASGIApp:
        given = ListTasksRequest()
        _query(request, given)
        return _json(list_json(await self._tasks.list_page(call, given)))

    async def get(self, request: Request, call: Call) -> ASGIApp:
        given = GetTaskRequest()
        _query(request, given)
        given.id = request.path_params["task_id"]
        return _json(to_json(await self._tasks.get(call, given)))

    async def cancel(self, request: Request, call: Call) -> ASGIApp:
        given = CancelTaskRequest(id=request.path_params["task_id"])
        return _json(to_json(await self._tasks.cancel(call, given)))

    async def subscribe(self, request: Request, call: Call) -> ASGIApp:
        given = SubscribeToTaskRequest(id=request.path_params["task_id"])
        return event_stream(await self._tasks.subscribe(call, given), rest)

    async def create_push(self, request: Request, call: Call) -> ASGIApp:
        given = parsed(await read_object(request), TaskPushNotificationConfig())
        given.task_id = request.path_params["task_id"]
        return _json(to_json(await PushOperations(self.platform).create(call, given)))

    async def list_pushes(self, request: Request, call: Call) -> ASGIApp:
        given = ListTaskPushNotificationConfigsRequest(task_id=request.path_params["task_id"])
        return _json(to_json(await PushOperations(self.platform).list_all(call, given)))

    async def get_push(self, request: Request, call: Call) -> ASGIApp:
        task_id, push_id = request.path_params["task_id"], request.path_params["push_id"]
        given = GetTaskPushNotificationConfigRequest(task_id=task_id, id=push_id)
        return _json(to_json(await PushOperations(self.platform).get(call, given)))

    async def delete_push(self, request: Request, call: Call) -> ASGIApp:
        task_id, push_id = request.path_params["task_id"], request.path_params["push_id"]
        given = DeleteTaskPushNotificationConfigRequest(task_id=task_id, id=push_id)
        await PushOperations(self.platform).delete(call, given)
        return _json({})

    async def stream_task(self, request: Request, caller: Principal) -> ASGIApp:
        run = await task_run(self.platform.stores, caller, request.path_params["task_id"])
        after = cursor_of(request, run.id)
        if not await has_more(self.platform.stores, run, after):
            return Response(status_code=204)
        session = session_of(request)
        if session:
            await session.begin(f"{run.id}.{after}")
        found = await self._tasks.replay(run, after, deadline(request))
        return event_stream(found, typed(found.projection))


def _endpoint(method: str, path: str, handler: Callable[..., Awaitable[ASGIApp]]) -> Endpoint:
    # Messages are not audited, except those that `noted_change` selects; it also tells JSON-RPC's methods
    # apart.
    audited = None if PUSH in path or path.endswith(":cancel") else False
    return Endpoint(
        method, path, "A2A", "chat", handler, answers={200: EMPTY}, credential="token", audited=audited
    )


def _public(path: str, handler: Callable[..., Awaitable[ASGIApp]]) -> Endpoint:
    return Endpoint("GET", path, "A2A", ANY_TOKEN, handler, answers={200: EMPTY}, credential="none")


def _query(request: Request, message: Any) -> None:
    """Read the query into a message. Raises `InvalidParamsError`."""
    try:
        parse_params(request.query_params, message)
    except (ParseError, ValueError, TypeError) as error:
        raise InvalidParamsError(f"The query is not valid: {error}"[:500]) from error


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _cached(request: Request, card: dict[str, Any], agent: Agent) -> Response:
    etag = etag_of(card)
    headers = {
        "etag": etag,
        "cache-control": f"{'public' if agent.builtin else 'private'}, {CACHED}",
        "last-modified": format_datetime(_modified(agent), usegmt=True),
    }
    given = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if etag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(card), media_type="application/json", headers=headers)


def _modified(agent: Agent) -> datetime:
    """Return the time of an agent's last change; for a built-in agent, that of the package."""
    ms = from_iso(agent.updated_at) if agent.updated_at else 1000 * int(Path(__file__).stat().st_mtime)
    return datetime.fromtimestamp(ms // 1000, UTC)
