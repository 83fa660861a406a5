"""Errors that a framework raises: our own that passed through it, and those of models' servers.

The servers' client libraries are not imported: their errors are recognized by the fields that all of them
have, and by the names of their classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from millrace.agent.code.model import LimitReached
from millrace.agent.providers.error_statuses import status_in, status_of
from millrace.agent.providers.failures import Server, failure, readable, retry_after, words
from millrace.agent.suspension import Interrupted, Suspended
from millrace.errors import MillraceError, ProviderError

_CHECK = "Check the key and the address in the agent's code."
_UNREACHED = frozenset({
    "APIConnectionError", "ClientConnectionError", "ConnectTimeoutError", "ConnectionClosedError",
    "ConnectionError", "EndpointConnectionError", "HTTPClientError", "ModelConnectionError",
    "ModelRequestTimeout", "ModelTimeoutError", "ReadTimeoutError", "ResponseStreamingError", "TimeoutError",
    "TransportError",
})  # fmt: skip
_THROTTLED = frozenset({"ModelRateLimitError", "ModelThrottledException"})
_TOO_LONG = frozenset({"ContextOverflowError", "ContextWindowOverflowException"})
_SPENT = "insufficient_quota"


def ended_by(error: Exception, model: str = "") -> Exception:
    """Return the error with which a run ends if its framework raised this one."""
    return of_ours(error) or of_server(error, model) or error


def of_ours(error: BaseException) -> Exception | None:
    """Return the error of ours that a framework has wrapped; None if there is none."""
    kinds = MillraceError | LimitReached | Suspended | Interrupted
    return next((one for one in chain_of(error) if isinstance(one, kinds)), None)


def of_server(error: BaseException, model: str = "") -> ProviderError | None:
    """Return a `ProviderError` for the error of a model's server that its client library raised, and a
    framework may have wrapped; None if it is not one."""
    server = Server(f"The server of {model}" if model else "The model's server", _CHECK)
    chain = list(chain_of(error))
    found = [made for one in chain if (made := _read(one, server))]
    if not found:
        return None
    # If several models were asked in turn, prefer one that will answer later; and prefer the server's own
    # message.
    fitting = [one for one in found if one.retryable] or found
    made = next((one for one in reversed(fitting) if one.http_status), fitting[0])
    made.retry_after = next((wait for one in chain if (wait := _wait(one)) is not None), None)
    return made


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it."""
    left: list[BaseException] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
        if inner := one.__cause__ or (None if one.__suppress_context__ else one.__context__):
            left.append(inner)


def _read(error: BaseException, server: Server) -> ProviderError | None:
    """Return one error of a client library as a `ProviderError`; None for any other."""
    if isinstance(error, ProviderError):
        return error
    if aws := _of_aws(error):
        return failure(server, *aws)
    names = {kind.__name__ for kind in type(error).__mro__}
    if _TOO_LONG & names:
        return ProviderError(f"{server.name}: {_words(error)}", code="context_exceeded")
    if status := _status(error, names):
        spent = _SPENT in str(getattr(error, "body", None) or error)
        return failure(server, status, _words(error), retryable=False if spent else None)
    if _UNREACHED & names:
        return _unreached(error, server)
    return None


def _status(error: BaseException, names: set[str]) -> int:
    """Return the HTTP status of a refusal; 0 if the error is not one."""
    if status := status_of(getattr(error, "status_code", None)):
        return status
    if _UNREACHED & names:
        return 0
    if _THROTTLED & names:
        return 429
    if "APIError" in names:
        # Google's errors have their status in `code`; errors of others arrived in the middle of a stream.
        return status_of(getattr(error, "code", None)) or status_in(_details(error))
    return 0


def _details(error: BaseException) -> dict[str, Any]:
    """Return the error object that a server sent."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    found = inner if isinstance(inner, dict) else body
    return found if isinstance(found, dict) else {}


def _of_aws(error: BaseException) -> tuple[int, str] | None:
    """Return the status and the message of an error of botocore."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict) or "Error" not in response:
        return None
    code, message = str(response["Error"].get("Code", "")), str(response["Error"].get("Message", ""))
    status = status_of(code[:1].lower() + code[1:])
    return status or status_of(_metadata(error).get("HTTPStatusCode")) or 500, f"{code}: {message}"


def _metadata(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    found = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return found if isinstance(found, dict) else {}


def _unreached(error: BaseException, server: Server) -> ProviderError:
    why = readable(_words(error), ())
    return ProviderError(
        f"{server.name} cannot be reached or stopped responding: {why}",
        code="provider_unreachable",
        retryable=True,
    )


def _words(error: BaseException) -> str:
    """Return the server's own message, if it is known."""
    return words(getattr(error, "body", None)) or str(error) or type(error).__name__


def _wait(error: BaseException) -> float | None:
    """Return the seconds that a server asks to wait."""
    response = getattr(error, "response", None)
    for headers in (getattr(response, "headers", None), _metadata(error).get("HTTPHeaders")):
        if isinstance(headers, Mapping) and (found := retry_after(headers)) is not None:
            return found
    given = getattr(error, "retry_after", None)
    return float(given) if isinstance(given, int | float) else None
