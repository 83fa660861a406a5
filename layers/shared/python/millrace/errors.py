"""Every error that Millrace raises on purpose.

    MillraceError
    ├── InvalidRequest        422
    ├── Unauthenticated       401
    ├── Forbidden             403
    ├── NotFound              404
    ├── Conflict              409
    ├── TooLarge              413
    ├── UnsupportedMedia      415
    ├── TooManyRequests       429  (retry_after)
    ├── NotImplementedHere    501
    ├── Unavailable           503  (retry_after)
    ├── ToolError             a tool failed, with a message that the model may read
    └── ProviderError         a model's server failed (retryable, retry_after)

`code` is a stable identifier for clients; `message` says what to do. `details` are added to the error object
unchanged. The HTTP response is created in one place, `millrace.api.errors`.
"""

from typing import Any, ClassVar


class MillraceError(Exception):
    """Base of all errors. It has a stable `code`, a `message` for people, and the HTTP `status` that it maps
    to."""

    status: ClassVar[int] = 500
    code: str = "internal"
    retryable: bool = False

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: float | None = None, **details: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.retry_after = retry_after
        self.details = details


class InvalidRequest(MillraceError):
    """The request is well formed but asks for something that is not possible."""

    status = 422
    code = "invalid_request"


class Unauthenticated(MillraceError):
    """The credential is missing or not valid."""

    status = 401
    code = "unauthenticated"


class Forbidden(MillraceError):
    """The credential is valid but lacks the required scope."""

    status = 403
    code = "forbidden"


class NotFound(MillraceError):
    """The resource does not exist in the caller's organization (another organization's id gets the same
    error)."""

    status = 404
    code = "not_found"


class Conflict(MillraceError):
    """The state of the resource does not allow this."""

    status = 409
    code = "conflict"


class TooLarge(MillraceError):
    """The request is larger than the documented limit."""

    status = 413
    code = "too_large"


class UnsupportedMedia(MillraceError):
    """The request's content type is not one that this endpoint reads."""

    status = 415
    code = "unsupported_media_type"


class TooManyRequests(MillraceError):
    """A limit is reached; `retry_after` is the number of seconds to wait."""

    status = 429
    code = "too_many_requests"
    retryable = True


class NotImplementedHere(MillraceError):
    """The deployment lacks an optional part; the message names it."""

    status = 501
    code = "not_available"


class Unavailable(MillraceError):
    """A dependency does not respond at the moment."""

    status = 503
    code = "unavailable"
    retryable = True


class Throttled(Unavailable):
    """A dependency works, but accepts fewer requests than it was sent."""


def unknown_outcome(what: str) -> Unavailable:
    """Return the error for a write of which the store does not say whether it took effect."""
    return Unavailable(
        f"The store is not available, so it is not known whether {what}. Check before you send it again, or "
        "send an idempotency key, so that repeating it has no further effect.",
        code="acceptance_unknown",
        retry_after=1,
    )


class ToolError(MillraceError):
    """A tool cannot do what was requested. The model, and everyone who sees the run, reads the message."""

    status = 422
    code = "tool_failed"


class ProviderError(MillraceError):
    """A model's server refused the request, broke off or sent something unreadable.

    `http_status` is the server's own status, if there was one. `retryable` says whether the same request may
    succeed later (429, 503, network); the loop retries only before the first token.
    """

    status = 502
    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.retryable = retryable
        self.http_status = http_status


def is_transient(error: Exception) -> bool:
    """Return whether the same work may succeed later: a service is down, throttles or is contended.

    This alone distinguishes failures of the infrastructure, after which queues retry, from those of the event
    itself, which would fail again each time and therefore become dead letters.
    """
    if isinstance(error, MillraceError):
        return error.retryable
    # By the module's name, so that functions that never call AWS do not have to import botocore.
    if type(error).__module__.startswith("botocore."):
        return _aws_code(error) not in _REFUSED_AS_IT_IS
    return isinstance(error, OSError | MemoryError)


_REFUSED_AS_IT_IS = frozenset({"ValidationException", "ParamValidationError"})
"""AWS read the request and found it wrong: an item that is too large, for example."""


def _aws_code(error: Exception) -> str:
    """Return the code of botocore's `ClientError`, or the class name of its other errors, without importing
    botocore."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", type(error).__name__))
