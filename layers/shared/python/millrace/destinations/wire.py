"""The building blocks of HTTP destinations: requests and answers as data, and the meaning of answers.

A destination defines how an event is encoded (`encode`), how many fit into a request (`limits`), the request
itself (`request`) and the meaning of the answer (`read`). `millrace.destinations.sending` does the rest.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

from msgspec import Struct, field

from millrace.destinations.results import BODY_SHOWN, DELIVERED, Dead, DeliveryResult, Failure, Retry
from millrace.pipelines.event import Event

RETRIED = frozenset({408, 425, 429})
USER_AGENT = "Millrace/1"
_LOOP = re.compile(rb'"code"\s*:\s*"loop"')
_LOOPED = (
    "The event is in a loop: it has reached the limit of deliveries in a row. Break the loop, then redrive."
)


class Request(Struct, frozen=True):
    """A request. `headers` have lower-case names. Its repr shows nothing that may contain a secret."""

    url: str
    content: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Request(method={self.method!r})"


class Answer(Struct, frozen=True):
    """An answer. `headers` are looked up in lower case. `body` is its first 64 KB."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def text(self) -> str:
        return self.body.decode(errors="replace")


class EncodedEvent(Struct, frozen=True):
    """An event as encoded for a request."""

    event: Event
    content: bytes


class RequestLimits(Struct, frozen=True):
    """The limits of a request: number of events, bytes of all with separators, and bytes of one."""

    events: int = 1
    content: int = 1_000_000
    event: int = 1_000_000


class Verdict(Struct):
    """The meaning of an answer: results by position in the request, and groups of positions to send again
    now."""

    results: dict[int, DeliveryResult] = field(default_factory=dict)
    again: list[list[int]] = field(default_factory=list)


class HttpDestination(Protocol):
    """A wire format. `encode` raises `Unsendable`."""

    @property
    def limits(self) -> RequestLimits: ...

    def encode(self, event: Event) -> bytes: ...

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request: ...

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict: ...


def all_of(items: Sequence[EncodedEvent], result: DeliveryResult) -> Verdict:
    """Return the same result for the whole request."""
    return Verdict(results=dict.fromkeys(range(len(items)), result))


def by_status(answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
    """Return the meaning of the status for all events: 2xx arrived; 408, 425, 429 and 5xx retry; others fail.

    Redirects are never followed, because that would bypass the checks of the address.
    """
    return all_of(items, result_of(answer))


def result_of(answer: Answer) -> DeliveryResult:
    """Return the result of an answer, see `by_status`."""
    if 200 <= answer.status < 300:
        return DELIVERED
    if answer.status in RETRIED or answer.status >= 500:
        return Retry(failure_of(answer))
    # A 409 is final anyway. This one comes from another Millrace, and people can act on it.
    if answer.status == 409 and _LOOP.search(answer.body):
        return Dead(failure_of(answer, _LOOPED, "loop"))
    return Dead(failure_of(answer))


def failure_of(answer: Answer, message: str = "", code: str = "") -> Failure:
    """Return the failure in an answer."""
    meaning = _meaning(answer.status)
    return Failure(
        code=code or meaning[0],
        message=message or meaning[1],
        status=answer.status,
        body=answer.text(),
        retry_after=retry_after(answer.headers.get("retry-after", ""), answer.headers.get("date", "")),
    )


def excerpt(body: str) -> str:
    """Return the first 1 KB."""
    return body.encode()[:BODY_SHOWN].decode(errors="ignore")


def halves(items: Sequence[EncodedEvent]) -> list[list[int]]:
    """Return the positions of a request in two groups."""
    middle = len(items) // 2
    return [list(range(middle)), list(range(middle, len(items)))]


def by_status_or_halves(answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
    """Return the same as `by_status`, but after a 413 send each half separately, down to single events."""
    if answer.status != 413:
        return by_status(answer, items)
    if len(items) > 1:
        return Verdict(again=halves(items))
    return all_of(items, Dead(failure_of(answer, "The event is too large for the destination.", "too_large")))


def retry_after(value: str, date: str = "") -> float | None:
    """Return the seconds of a `Retry-After` header: a number, or a date.

    A date is relative to the answer's own `Date`, or to this machine's clock.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return float(value)
    asked = _date(value)
    if asked is None:
        return None
    return max(0.0, (asked - (_date(date) or datetime.now(UTC))).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Meaning = tuple[Literal["redirected", "throttled", "gone", "refused", "failed"], str]


def _meaning(status: int) -> Meaning:
    if status == 410:
        return "gone", "The destination is gone (410); it gets nothing more until it is enabled again."
    if status == 429:
        return "throttled", "The destination asks for fewer requests (429)."
    if 300 <= status < 400:
        return "redirected", f"The destination answered with a redirect ({status}); name the final URL."
    if status >= 500 or status in RETRIED:
        return "failed", f"The destination failed ({status})."
    return "refused", f"The destination refused the request ({status})."
