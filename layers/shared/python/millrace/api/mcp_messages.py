"""MCP's JSON-RPC over HTTP: reads posted messages and answers errors."""

from typing import Any

from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS, InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, ErrorData
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.accept import JSON, STREAM
from millrace.api.endpoint import read_bytes
from millrace.api.errors import request_id as http_request_id
from millrace.domain.json_reader import InvalidJson, read_json
from millrace.errors import Forbidden, MillraceError, NotFound
from millrace.protocols.mcp.calls import RequestId, is_request_id

Json = dict[str, Any]
VERSION = "mcp-protocol-version"
SESSION = "mcp-session-id"
OLDEST_STREAMED = "2025-03-26"
"""The version of clients that send no header."""
MOST_BYTES = 4 * 1024 * 1024
_INVALID = "Send one JSON-RPC 2.0 request, notification or response; batches are not part of this version."


class Refused(Exception):
    """A message to be answered with a JSON-RPC error and an HTTP status."""

    def __init__(
        self,
        code: int,
        message: str,
        request_id: RequestId | None = None,
        data: Any = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.request_id, self.data = code, message, request_id, data
        self.status = status or ERROR_CODE_HTTP_STATUS.get(code, 400)


async def read_message(request: Request) -> Json:
    """Return the posted message. Raises `Refused`, or `TooLarge`."""
    accepted = request.headers.get("accept", "*/*")
    if "*/*" not in accepted and not (JSON in accepted and STREAM in accepted):
        message = "Accept must name application/json and text/event-stream."
        raise Refused(INVALID_REQUEST, message, status=406)
    try:
        message = read_json(await read_bytes(request, MOST_BYTES))
    except InvalidJson as error:
        raise Refused(PARSE_ERROR, error.message) from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, _INVALID)
    if "id" in message and not is_request_id(message["id"]):
        raise Refused(INVALID_REQUEST, "id must be a string of at most 128 characters or a whole number.")
    if "method" not in message:
        if "id" in message and ("result" in message or "error" in message):
            return message
        raise Refused(INVALID_REQUEST, _INVALID)
    if not isinstance(message["method"], str) or not isinstance(message.get("params", {}), dict):
        raise Refused(INVALID_REQUEST, _INVALID, message.get("id"))
    return message


def is_modern(request: Request) -> bool:
    """Return whether a request's version has no sessions, or is unknown; an unknown version is refused by the
    rules of the newer ones."""
    version = request.headers.get(VERSION)
    return version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS


def envelope(request: Request, message: Json) -> tuple[str, Any, Any]:
    """Return the version, the client and its capabilities from a request without a session. Raises
    `Refused`."""
    found = classify_inbound_request(message, headers=dict(request.headers))
    if isinstance(found, InboundLadderRejection):
        raise Refused(found.code, found.message, message.get("id"), found.data)
    return found.protocol_version, found.client_info, found.client_capabilities


def refusal(request: Request, error: Exception, request_id: RequestId | None, *, modern: bool) -> Response:
    """Return the answer to a message that failed. Raises the error again if it has no answer."""
    if isinstance(error, Refused):
        return _error(error.status, error.request_id, error.code, error.message, error.data)
    if isinstance(error, MillraceError):
        data = {"code": error.code, "requestId": http_request_id(request)} | error.details
        code = INVALID_PARAMS if isinstance(error, NotFound) or error.status < 500 else -32603
        own = isinstance(error, Forbidden) or error.status in (413, 429) or error.status >= 500
        status = error.status if own else 200
        if isinstance(error, Forbidden):
            request.state.missing_scope = error.details.get("scope")
        return _error(status, request_id, code, error.message, data)
    known = handler_exception_to_error_data(error)
    if known is None:
        raise error
    return _error(_status(known, modern=modern), request_id, known.code, known.message, known.data)


def _status(data: ErrorData, *, modern: bool) -> int:
    return ERROR_CODE_HTTP_STATUS.get(data.code, 200) if modern else 200


def _error(status: int, request_id: RequestId | None, code: int, message: str, data: Any = None) -> Response:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return JSONResponse({"jsonrpc": "2.0", "id": request_id, "error": error}, status)
