"""The errors of the client.

MillraceError
├── APIError                    the server answered with an error: `status`, `code`, `message`
│   ├── InvalidRequestError     400, 413, 415, 422: change the request
│   ├── AuthenticationError     401: the token is missing, invalid or expired
│   ├── PermissionDeniedError   403: the token lacks a scope
│   ├── NotFoundError           404, 410
│   ├── ConflictError           409
│   │   ├── RunActiveError      the agent still answers; `run_id` names its run
│   │   ├── RunWaitingError     the run waits for people; `details["calls"]` names what it asks
│   │   └── NotStreamingError   no run is active
│   ├── RateLimitError          429; `retry_after` in seconds, if the server says so
│   └── ServerError             5xx
├── RunFailedError              the run ended with an `error` event; `code`, `retryable`
├── RunWaitsError               the run waits for people, and its answer was wanted; `calls`
├── ConnectionLostError         no connection, after every attempt that is allowed
└── ProtocolError               the answer is not one of Millrace's
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson


class MillraceError(Exception):
    """Base class of all errors that the client raises."""


class ConnectionLostError(MillraceError):
    """The server cannot be reached, or the connection was lost."""


class ProtocolError(MillraceError):
    """The response is not one of Millrace's: check the address."""


class RunFailedError(MillraceError):
    """The run ended with an `error` event."""

    def __init__(self, code: str, message: str, retryable: bool, run_id: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.run_id = run_id


class RunWaitsError(MillraceError):
    """The run waits for people: answer `calls`, then follow the run."""

    def __init__(self, calls: Sequence[Mapping[str, Any]], run_id: str | None) -> None:
        names = ", ".join(str(call.get("name") or call.get("callId")) for call in calls)
        super().__init__(f"The run waits for an answer to {names or 'a call'}.")
        self.calls = list(calls)
        self.run_id = run_id


class APIError(MillraceError):
    """An error response. `details` has all fields of its `error` object."""

    def __init__(
        self, status: int, details: Mapping[str, Any], retry_after: float | None = None, url: str = ""
    ) -> None:
        self.status = status
        self.details = details
        self.code = str(details.get("code") or f"http_{status}")
        self.message = str(details.get("message") or f"The server answered with the status {status}.")
        self.retry_after = retry_after
        self.url = url
        super().__init__(self.message)

    @property
    def request_id(self) -> str | None:
        """The id of the request in the server's logs."""
        return _text(self.details.get("requestId"))

    @property
    def run_id(self) -> str | None:
        """The id of the run in the error."""
        return _text(self.details.get("runId"))

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.message}{request}"


class InvalidRequestError(APIError):
    """The request is not valid; `details["fields"]` names wrong fields of a body."""


class AuthenticationError(APIError):
    """The token is missing, invalid or expired."""


class PermissionDeniedError(APIError):
    """The token lacks a scope (`details["scope"]`), or the caller may not do this."""


class NotFoundError(APIError):
    """The resource does not exist, or the caller has no access to it."""


class ConflictError(APIError):
    """The current state does not allow this."""


class RunActiveError(ConflictError):
    """The agent is still answering: wait, inject, or send with `if_busy`."""


class RunWaitingError(ConflictError):
    """The run is waiting for people: answer its calls, or send with `if_busy="inject"`."""


class NotStreamingError(ConflictError):
    """No run is active: send a message instead."""


class RateLimitError(APIError):
    """Too many requests, or too many waiting messages."""


class ServerError(APIError):
    """An error on the server's side."""


_BY_CODE: Mapping[str, type[APIError]] = {
    "run_active": RunActiveError,
    "run_waiting": RunWaitingError,
    "not_streaming": NotStreamingError,
}
_BY_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    429: RateLimitError,
}


def error_of(response: httpx.Response) -> APIError:
    """Return the error for a response whose body has been read. It may come from anybody: a proxy's page is
    an error too."""
    details = _details(response.content)
    kind = _BY_CODE.get(str(details.get("code"))) or _BY_STATUS.get(response.status_code)
    if kind is None:
        kind = ServerError if response.status_code >= 500 else InvalidRequestError
    return kind(
        response.status_code,
        details,
        _seconds(response.headers.get("retry-after", "")),
        str(response.request.url.copy_with(query=None)),
    )


def _details(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or a date."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
