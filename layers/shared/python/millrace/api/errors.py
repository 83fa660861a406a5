"""The HTTP form of every error: `{"error": {"code", "message", "requestId", ...}}` with its status."""

import logging
import math
import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.errors import MillraceError

log = logging.getLogger(__name__)
STATUS = "status"
"""The log field that marks an answer with 5xx, which the template's metric filters read."""
_CODES = {404: "no_such_path", 405: "method_not_allowed"}


def request_id(request: Request) -> str:
    """Return Lambda's id of this request, or one of our own."""
    state = request.scope.setdefault("state", {})
    if "request_id" not in state:
        context = request.scope.get("aws.context")
        state["request_id"] = getattr(context, "aws_request_id", None) or str(uuid.uuid4())
    return str(state["request_id"])


def error_response(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    retry_after: float | None = None,
    **details: Any,
) -> JSONResponse:
    """Return the answer to a request that failed before its first byte."""
    ours = request_id(request)
    headers = {"x-request-id": ours, "cache-control": "no-store"}
    if retry_after is not None:
        headers["retry-after"] = str(math.ceil(retry_after))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = {"error": {"code": code, "message": message, "requestId": ours} | details}
    if request.url.path.startswith("/v1/"):
        body["error"] |= {"type": _openai_type(status), "param": details.get("param")}
        # OpenAI's clients retry a 409 by themselves, and would only get the same answer.
        headers |= {"x-should-retry": "false"} if status == 409 else {}
    return JSONResponse(body, status, headers=headers)


def _openai_type(status: int) -> str:
    """Return the error type by which OpenAI's clients distinguish errors, in addition to the status."""
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


async def on_millrace_error(request: Request, error: Exception) -> Response:
    """Handle one of Millrace's own errors."""
    assert isinstance(error, MillraceError)
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.message, extra={STATUS: error.status})
    return error_response(
        request,
        error.status,
        error.code,
        error.message,
        retry_after=error.retry_after,
        **error.details,
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handle an error of the framework: unknown path, method not allowed."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "bad_request")
    response = error_response(request, error.status_code, code, _explain(request, error))
    response.headers.update(error.headers or {})
    return response


def _explain(request: Request, error: HTTPException) -> str:
    if error.status_code in (404, 405):
        return f"{request.method} {request.url.path} is not part of this API; see /api/openapi.json."
    return str(error.detail)


async def on_any_exception(request: Request, error: Exception) -> Response:
    """Handle an unexpected error."""
    log.exception("unhandled", exc_info=error, extra={STATUS: 500})
    return error_response(request, 500, "internal", "Something went wrong on our side.")


HANDLERS = {MillraceError: on_millrace_error, HTTPException: on_http_exception, Exception: on_any_exception}
