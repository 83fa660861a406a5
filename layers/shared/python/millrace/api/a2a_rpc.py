"""A2A over JSON-RPC 2.0: one address, the method in the body."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    SendMessageRequest,
    SubscribeToTaskRequest,
)
from a2a.utils.errors import (
    ContentTypeNotSupportedError,
    InvalidRequestError,
    JSONParseError,
    MethodNotFoundError,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.a2a_http import BODY, ERRORS, call_of, check_version, event_stream, is_json, parsed
from millrace.api.a2a_tasks import Call, Tasks, TaskStream
from millrace.api.endpoint import read_bytes
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.json_reader import read_json
from millrace.errors import InvalidRequest
from millrace.protocols.a2a.encoding import list_json, rpc, to_json
from millrace.protocols.a2a.errors import rpc_error

Id = str | int | float | None


class Rpc:
    """The methods."""

    def __init__(self, tasks: Tasks, card: Callable[[Request, Call], Awaitable[dict[str, Any]]]) -> None:
        self._tasks = tasks
        self._card = card

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
        tasks = self._tasks
        match method:
            case "SendMessage":
                result = to_json(await tasks.send(call, parsed(params, SendMessageRequest())))
            case "SendStreamingMessage":
                return _streamed(await tasks.stream(call, parsed(params, SendMessageRequest())), id)
            case "GetTask":
                result = to_json(await tasks.get(call, parsed(params, GetTaskRequest())))
            case "ListTasks":
                result = list_json(await tasks.list_page(call, parsed(params, ListTasksRequest())))
            case "CancelTask":
                result = to_json(await tasks.cancel(call, parsed(params, CancelTaskRequest())))
            case "SubscribeToTask":
                return _streamed(await tasks.subscribe(call, parsed(params, SubscribeToTaskRequest())), id)
            case "GetExtendedAgentCard":
                result = await self._card(request, call)
            case _:
                raise MethodNotFoundError(f"There is no method {method!r:.80}.")
        return _result(id, result)


def _streamed(stream: TaskStream, id: Id) -> ASGIApp:
    return event_stream(stream, rpc(id))


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
    """The method and its parameters."""
    if body.get("jsonrpc") != "2.0":
        raise InvalidRequestError("jsonrpc must be exactly '2.0'.")
    if _id_of(body) != body.get("id") or isinstance(body.get("id"), bool):
        raise InvalidRequestError("id must be a string, a number or null.")
    method = body.get("method")
    if not isinstance(method, str) or not method:
        raise InvalidRequestError("method must be a text.")
    params = body.get("params", {})
    return method, params
