"""A2A over JSON-RPC 2.0: one address, the method in the body."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import orjson
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    ListTasksResponse,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import (
    ContentTypeNotSupportedError,
    InvalidRequestError,
    JSONParseError,
    MethodNotFoundError,
)
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.a2a_call import Call
from millrace.api.a2a_http import (
    BODY,
    ERRORS,
    call_of,
    check_version,
    event_stream,
    is_json,
    noted_change,
    parsed,
)
from millrace.api.a2a_pushes import PushOperations
from millrace.api.a2a_tasks import Tasks
from millrace.api.endpoint import read_bytes
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.json_reader import read_json
from millrace.errors import InvalidRequest
from millrace.protocols.a2a.encoding import list_json, rpc, to_json
from millrace.protocols.a2a.errors import rpc_error

Id = str | int | float | None
Operate = Callable[[Call, Any], Awaitable[Any]]


class Method(NamedTuple):
    """A method: its parameters, the function that handles it, and whether it is audited because it changes
    something. For messages, `noted_change` decides that."""

    kind: type[Message]
    operate: Operate
    changes: bool = False


class Rpc:
    """The methods by their names in the body."""

    def __init__(self, tasks: Tasks, card: Callable[[Request, Call], Awaitable[dict[str, Any]]]) -> None:
        pushes = PushOperations(tasks.platform)
        self._card = card
        self.methods = {
            "SendMessage": Method(SendMessageRequest, tasks.send),
            "GetTask": Method(GetTaskRequest, tasks.get),
            "ListTasks": Method(ListTasksRequest, tasks.list_page),
            "CancelTask": Method(CancelTaskRequest, tasks.cancel, changes=True),
            "CreateTaskPushNotificationConfig": Method(
                TaskPushNotificationConfig, pushes.create, changes=True
            ),
            "GetTaskPushNotificationConfig": Method(GetTaskPushNotificationConfigRequest, pushes.get),
            "ListTaskPushNotificationConfigs": Method(
                ListTaskPushNotificationConfigsRequest, pushes.list_all
            ),
            "DeleteTaskPushNotificationConfig": Method(
                DeleteTaskPushNotificationConfigRequest, pushes.delete, changes=True
            ),
        }
        self.streams = {
            "SendStreamingMessage": Method(SendMessageRequest, tasks.stream),
            "SubscribeToTask": Method(SubscribeToTaskRequest, tasks.subscribe),
        }

    async def serve(self, request: Request, caller: Principal, agent: Agent) -> ASGIApp:
        """Answer one request."""
        id: Id = None
        try:
            body = await _body(request)
            id = _id_of(body)
            method, params = _checked(body)
            check_version(request)
            return await self._answer(request, call_of(request, caller, agent), id, method, params)
        except ERRORS as error:
            return JSONResponse({"jsonrpc": "2.0", "id": id, "error": rpc_error(error)})

    async def _answer(self, request: Request, call: Call, id: Id, method: str, params: Any) -> ASGIApp:
        if method == "GetExtendedAgentCard":
            return _result(id, await self._card(request, call))
        known = self.streams.get(method) or self.methods.get(method)
        if known is None:
            raise MethodNotFoundError(f"There is no method {method!r:.80}.")
        given = parsed(params, known.kind())

        async def act() -> Any:
            return await known.operate(call, given)

        found = await noted_change(request, call, method, given, act, changes=known.changes)
        if method in self.streams:
            return event_stream(found, rpc(id))
        if isinstance(found, ListTasksResponse):
            return _result(id, list_json(found))
        return _result(id, None if found is None else to_json(found))


def _result(id: Id, result: Any) -> Response:
    return Response(
        orjson.dumps({"jsonrpc": "2.0", "id": id, "result": result}), media_type="application/json"
    )


async def _body(request: Request) -> dict[str, Any]:
    if not is_json(request):
        raise ContentTypeNotSupportedError("Send JSON, with Content-Type: application/json.")
    try:
        body = read_json(await read_bytes(request, BODY))
    except InvalidRequest as error:
        raise JSONParseError(error.message) from error
    if isinstance(body, list):
        raise InvalidRequestError("Batches of requests are not supported.")
    if not isinstance(body, dict):
        raise InvalidRequestError("The request must be a JSON object.")
    return body


def _id_of(body: dict[str, Any]) -> Id:
    id = body.get("id")
    is_id = id is None or (isinstance(id, str | int | float) and not isinstance(id, bool))
    return id if is_id else None


def _checked(body: dict[str, Any]) -> tuple[str, Any]:
    """Return the method and its parameters."""
    if body.get("jsonrpc") != "2.0":
        raise InvalidRequestError("jsonrpc must be exactly '2.0'.")
    if _id_of(body) != body.get("id") or isinstance(body.get("id"), bool):
        raise InvalidRequestError("id must be a string, a number or null.")
    method = body.get("method")
    if not isinstance(method, str) or not method:
        raise InvalidRequestError("method must be a string.")
    params = body.get("params", {})
    return method, params
