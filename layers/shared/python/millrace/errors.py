"""Every error the product raises on purpose.

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
    ├── ToolError             a tool failed, in words that the model may read
    └── ProviderError         a model's server failed (retryable, retry_after)

`code` is a stable word that clients may switch on; `message` says what to do. `details` are added to the
error object as they are. The HTTP shape is made in one place, `millrace.api.errors`.
"""

from typing import Any, ClassVar


class MillraceError(Exception):
    """Base of all: carries a stable `code`, a `message` for people, and the HTTP `status` it maps to."""

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
    """The request is well formed but says something that cannot be done."""

    status = 422
    code = "invalid_request"


class Unauthenticated(MillraceError):
    """No credential, or one that does not hold."""

    status = 401
    code = "unauthenticated"


class Forbidden(MillraceError):
    """A good credential without the scope that this needs."""

    status = 403
    code = "forbidden"


class NotFound(MillraceError):
    """No such thing in the caller's organization (another organization's id looks the same)."""

    status = 404
    code = "not_found"


class Conflict(MillraceError):
    """The thing is in a state that does not allow this."""

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
    """A limit is reached; `retry_after` gives the seconds to wait."""

    status = 429
    code = "too_many_requests"
    retryable = True


class NotImplementedHere(MillraceError):
    """The deployment lacks an optional part; the message names it."""

    status = 501
    code = "not_available"


class Unavailable(MillraceError):
    """A dependency does not answer now."""

    status = 503
    code = "unavailable"
    retryable = True


class Throttled(Unavailable):
    """A dependency works, and takes fewer requests than it was sent."""


def unknown_outcome(what: str) -> Unavailable:
    """The error where the store does not tell whether a write has taken effect."""
    return Unavailable(
        f"The store is not available, so it is not known whether {what}. Check before you send it again, or "
        "send an idempotency key, so that repeating it has no further effect.",
        code="acceptance_unknown",
        retry_after=1,
    )


class ToolError(MillraceError):
    """A tool cannot do what it was asked for. The model, and whoever sees the run, reads the message."""

    status = 422
    code = "tool_failed"


class ProviderError(MillraceError):
    """A model's server refused, broke off or sent something unreadable.

    `http_status` is the server's own status where there was one. `retryable` says whether the same request
    may succeed later (429, 503, network); the executor retries only before the first token.
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

    This is the one place that tells failures of the infrastructure, which queues repeat, from those that
    belong to the event at hand, which would fail for ever and so become dead letters.
    """
    if isinstance(error, MillraceError):
        return error.retryable
    # By the module's name, so that functions that never call AWS need not import botocore.
    if type(error).__module__.startswith("botocore."):
        return _aws_code(error) not in _REFUSED_AS_IT_IS
    return isinstance(error, OSError | MemoryError)


_REFUSED_AS_IT_IS = frozenset({"ValidationException", "ParamValidationError"})
"""AWS read the request and found it wrong: an item that is too large, for example."""


def _aws_code(error: Exception) -> str:
    """The code of botocore's `ClientError`; the class's name of its others. botocore need not be loaded."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", type(error).__name__))
