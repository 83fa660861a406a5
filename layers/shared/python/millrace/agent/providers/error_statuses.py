"""The HTTP statuses of model servers' errors that have a name instead."""

from typing import Any

STATUSES = {
    # OpenAI's protocol, by `code` or `type`
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "BadRequestError": 400,
    "model_not_found": 404,
    "NotFoundError": 404,
    "rate_limit_exceeded": 429,
    # Anthropic's, by `type`, some of which other servers use as well
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # Amazon Bedrock's exceptions
    "validationException": 400,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
    "modelTimeoutException": 408,
    "modelStreamErrorException": 424,
    "throttlingException": 429,
    "internalServerException": 500,
    "serviceUnavailableException": 503,
}


def status_of(code: Any) -> int:
    """Return the status that a code stands for, a number or a name; 0 if it is not known."""
    if type(code) is int or (isinstance(code, str) and code.isdecimal()):
        return int(code) if 400 <= int(code) < 600 else 0
    return STATUSES.get(code, 0) if isinstance(code, str) else 0


def status_in(error: dict[str, Any]) -> int:
    """Return the status of an error object in a stream; 500 if it has none."""
    codes = (error.get(name) for name in ("code", "status", "type", "status_code"))
    return next((status for status in map(status_of, codes) if status), 500)
