"""Translates refusals of model servers to `ProviderError` by one table of HTTP statuses.

`code` is stable: `provider_auth`, `unknown_model`, `provider_rejected`, `request_too_large`,
`context_exceeded`, `rate_limited`, `provider_unavailable`, `provider_unreachable`, `incomplete_response`,
`unreadable_response`.
"""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec import Struct

from millrace.agent.context.refusals import says_too_long
from millrace.agent.providers.lenient_json import parse, whole
from millrace.errors import ProviderError

MESSAGE_LIMIT = 500
# A day. A longer wait means a wrong clock or a broken server, and no loop waits that long.
LONGEST_RETRY_AFTER = 86_400.0

_CODES = {
    400: "provider_rejected",
    401: "provider_auth",
    403: "provider_auth",
    404: "unknown_model",
    413: "request_too_large",
    422: "provider_rejected",
    429: "rate_limited",
}
# These refuse the credential or the model, and are never about length, whatever the message says.
_NO_SIZES = {401, 403, 404}
_UNAVAILABLE = {408, 409, 424, 425}
_QUOTAS = ("requests", "tokens", "input-tokens", "output-tokens")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Server(Struct, frozen=True):
    """A model server: its displayed name, what to check if it refuses the credential, and the secrets that no
    message may repeat."""

    name: str
    check: str
    secrets: tuple[str, ...] = ()


def failure(
    server: Server,
    status: int,
    message: str,
    *,
    retry_after: float | None = None,
    retryable: bool | None = None,
) -> ProviderError:
    """Return the error for a server's HTTP status, or for the status of an error in the middle of a
    stream."""
    code, usual = _meaning(status, message)
    text = f"{server.name} answered {status}: {readable(message, server.secrets) or 'no reason given'}"
    if code == "provider_auth":
        text = f"{text} {server.check}"
    again = usual if retryable is None else retryable
    return ProviderError(text, code=code, retryable=again, retry_after=retry_after, http_status=status)


def _meaning(status: int, message: str) -> tuple[str, bool]:
    if status not in _NO_SIZES and says_too_long(status, message):
        return "context_exceeded", False
    if status >= 500 or status in _UNAVAILABLE:
        return "provider_unavailable", True
    return _CODES.get(status, "provider_rejected"), status == 429


def incomplete(server: Server, why: str = "") -> ProviderError:
    """Return the error for a stream that ended before its message did."""
    said_why = f" ({why})" if why else ""
    message = f"{server.name} broke off before the end of its answer{said_why}."
    return ProviderError(message, code="incomplete_response", retryable=True)


def unreadable(server: Server, what: str) -> ProviderError:
    """Return the error for an answer that does not follow the server's protocol or is longer than any answer
    needs."""
    return ProviderError(f"{server.name} sent {what}.", code="unreadable_response")


def readable(message: str, secrets: Iterable[str]) -> str:
    """Return a server's message without secrets, on one line, cut to `MESSAGE_LIMIT` characters."""
    message = whole(message)
    # Before the message is cut, since half a secret would not be recognized.
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    return " ".join(message.split())[:MESSAGE_LIMIT]


def said(body: bytes) -> str:
    """Return the message of an error body, or the body itself if it has none of the known JSON shapes."""
    try:
        return words(parse(body)) or body.decode(errors="replace")
    except ValueError:
        return body.decode(errors="replace")


_WORDS = ("error", "message", "Message", "detail", "msg", "error_msg", "errors")


def words(found: Any, depth: int = 5) -> str:
    """Return the message of an error object: the object itself or, a few levels deep, one of the fields in
    which servers put the reason. For a list, the first item with a message."""
    if isinstance(found, str):
        return found
    if isinstance(found, list) and depth:
        return next((said for one in found[:8] if (said := words(one, depth - 1))), "")
    if not isinstance(found, dict) or not depth:
        return ""
    for key in _WORDS:
        if inner := words(found.get(key), depth - 1):
            return inner
    return ""


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds to wait by `retry-after-ms`, `Retry-After` (seconds or an HTTP date), or else by the
    reset of the quotas that OpenAI's (`x-ratelimit-*`) or Anthropic's (`anthropic-ratelimit-*`) headers
    report as used up."""
    now = time.time() if now is None else now
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    given = headers.get("retry-after")
    if given:
        return _bounded(_wait(given, now))
    # The longest, since every quota that is used up has to be renewed first.
    return _bounded(max(_resets(headers, now), default=None))


def _resets(headers: Mapping[str, str], now: float) -> list[float]:
    waits = []
    for quota in _QUOTAS:
        for name in _quota_headers(headers, quota):
            wait = _wait(headers.get(name, ""), now)
            if wait is not None:
                waits.append(wait)
    return waits


def _quota_headers(headers: Mapping[str, str], quota: str) -> list[str]:
    return [
        reset
        for remaining, reset in (
            ("x-ratelimit-remaining-" + quota, "x-ratelimit-reset-" + quota),
            (f"anthropic-ratelimit-{quota}-remaining", f"anthropic-ratelimit-{quota}-reset"),
        )
        if headers.get(remaining) == "0"
    ]


def _wait(given: str, now: float) -> float | None:
    """Return the seconds of `7`, `6m0s`, an HTTP date or an RFC 3339 time."""
    number = _number(given)
    if number is not None:
        return number
    if _DURATION.match(given):
        return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION.findall(given))
    moment = _moment(given)
    return None if moment is None else moment - now


def _moment(given: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(given)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


def _number(given: str) -> float | None:
    return float(given) if re.fullmatch(r"\d{1,9}(\.\d+)?", given.strip()) else None


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
