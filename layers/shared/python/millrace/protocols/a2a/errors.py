"""Errors in the protocol's two forms: `google.rpc.Status` for HTTP+JSON, and JSON-RPC's."""

from typing import Any

from a2a.utils.errors import (
    A2A_ERROR_MAPPING,
    JSON_RPC_ERROR_CODE_MAP,
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
    VersionNotSupportedError,
)

from millrace.errors import MillraceError

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
VIOLATIONS = "type.googleapis.com/google.rpc.BadRequest"
DOMAIN = "a2a-protocol.org"
OURS = "millrace"
_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_STATUSES: dict[type[A2AError], tuple[int, str]] = {
    TaskNotCancelableError: (409, "FAILED_PRECONDITION"),
    PushNotificationNotSupportedError: (400, "UNIMPLEMENTED"),
    UnsupportedOperationError: (400, "UNIMPLEMENTED"),
    ContentTypeNotSupportedError: (415, "INVALID_ARGUMENT"),
    VersionNotSupportedError: (400, "UNIMPLEMENTED"),
}
"""Entries in which the SDK's table differs from the specification (5.4)."""


def rest_error(error: A2AError | MillraceError) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the body of an error."""
    if isinstance(error, MillraceError):
        status = 400 if error.status in (413, 422) else error.status
        name, message = _STATUS.get(error.status, "INTERNAL"), error.message
    else:
        mapping = A2A_ERROR_MAPPING.get(type(error))
        theirs = (mapping.http_code, mapping.grpc_status) if mapping else (500, "INTERNAL")
        status, name = _STATUSES.get(type(error), theirs)
        message = error.message
    return status, {"error": {"code": status, "status": name, "message": message, "details": details(error)}}


def rpc_error(error: A2AError | MillraceError) -> dict[str, Any]:
    """Return the error object of a JSON-RPC response."""
    kind = type(error) if isinstance(error, A2AError) else _KINDS.get(error.status, InternalError)
    code = JSON_RPC_ERROR_CODE_MAP.get(kind, JSON_RPC_ERROR_CODE_MAP[InternalError])
    return {"code": code, "message": error.message, "data": details(error)}


_KINDS: dict[int, type[A2AError]] = {
    404: TaskNotFoundError,
    409: UnsupportedOperationError,
    413: InvalidParamsError,
    415: ContentTypeNotSupportedError,
    422: InvalidParamsError,
}


def details(error: A2AError | MillraceError) -> list[dict[str, Any]]:
    """Return the details for programs: a reason and, if fields are invalid, these fields."""
    if isinstance(error, MillraceError):
        reason, domain = error.code.upper(), OURS
        metadata = {name: str(value) for name, value in error.details.items()}
        if error.retry_after is not None:
            metadata["retryAfter"] = str(error.retry_after)
        return [_info(reason, domain, metadata)]
    mapping = A2A_ERROR_MAPPING.get(type(error))
    fields = (error.data or {}).get("errors", [])
    found = [_info(mapping.reason if mapping else "INTERNAL_ERROR", DOMAIN, {})]
    if fields:
        violations = [{"field": one["field"], "description": one["message"]} for one in fields]
        found.append({"@type": VIOLATIONS, "fieldViolations": violations})
    return found


def _info(reason: str, domain: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {"@type": INFO, "reason": reason, "domain": domain, "metadata": metadata}
