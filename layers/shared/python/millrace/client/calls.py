"""Requests as data, and sending them: with the token, and again if that is safe."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
import orjson

from millrace import __version__
from millrace.client.actions import Authorize, Pause, Send, Steps
from millrace.client.addresses import Addresses
from millrace.client.errors import ConnectionLostError, ProtocolError, error_of
from millrace.client.policy import NOT_SENT, Policy

T = TypeVar("T")
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """The specific part of a request. `body` is sent as JSON, `content` unchanged."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    """True if repeating the request has no further effect."""

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method in ("GET", "PUT", "DELETE") or "idempotency-key" in self.headers


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how to read its answer's JSON (None for an empty one)."""

    request: Request
    read: Callable[[Any], T]
    timeout: float | None = None
    """The timeout in seconds, if the answer takes longer than others."""

    def steps(self, sender: "Sender") -> Steps[T]:
        """Return the steps of the call."""
        return sender.call(self)


@dataclass(frozen=True, slots=True)
class Sender:
    """The settings that all requests share."""

    addresses: Addresses
    policy: Policy
    renews: bool
    """True if the token comes from a function, which can return another one."""

    def call(self, call: Call[T]) -> Steps[T]:
        """Send a request until it is answered. Raises `MillraceError`."""
        response = yield from self._answered(call.request, call.timeout or self.policy.timeout)
        if response.status_code == 204 or not response.content:
            return call.read(None)
        try:
            found = orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"{response.request.url} did not answer with JSON.") from error
        return call.read(found)

    def _answered(self, request: Request, timeout: float) -> Steps[httpx.Response]:
        failures = 0
        while True:
            failure: Exception
            try:
                response = yield from self.send(request, httpx.Timeout(timeout, connect=10.0))
            except httpx.TransportError as error:
                if not (request.may_repeat or isinstance(error, NOT_SENT)):
                    raise lost(error) from error
                failure = lost(error)
            else:
                if response.is_success:
                    return response
                failure = refusal = error_of(response)
                if not self.policy.may_pass(refusal):
                    raise refusal
                if not (request.may_repeat or refusal.status in (429, 503)):
                    raise refusal
                # The run continues and only this request's time was over, so asking again does not count as a
                # failure.
                failures -= refusal.code == "run_continues"
            failures += 1
            if failures >= self.policy.attempts:
                raise failure
            yield Pause(self.policy.wait(max(failures - 1, 0), failure))

    def send(self, request: Request, timeout: httpx.Timeout, stream: bool = False) -> Steps[httpx.Response]:
        """Send a request once, or twice if the token has expired. Raises `httpx.TransportError`."""
        token = yield Authorize()
        response: httpx.Response = yield Send(self.built(request, token, timeout, stream), stream)
        if response.status_code == 401 and self.renews:
            token = yield Authorize(rejected=token)
            response = yield Send(self.built(request, token, timeout, stream), stream)
        return response

    def built(
        self, request: Request, token: str | None, timeout: httpx.Timeout, stream: bool
    ) -> httpx.Request:
        """Return the request for httpx."""
        headers = {"user-agent": f"millrace-python/{__version__}", "accept": "application/json"}
        content = request.content
        if request.body is not None:
            headers["content-type"] = "application/json"
            content = orjson.dumps(request.body)
        if stream:
            headers |= {"accept": EVENTS, "accept-encoding": "identity"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        return httpx.Request(
            request.method,
            self.addresses.of(request.path) + request.path,
            params=list(_query(request.query)),
            headers=headers | dict(request.headers),
            content=content,
            extensions={"timeout": timeout.as_dict()},
        )


def lost(error: httpx.TransportError) -> ConnectionLostError:
    """Return the error for a failed connection."""
    try:
        address = f" to {error.request.url.copy_with(raw_path=b'/')}"
    except RuntimeError:  # httpx does not always know the request
        address = ""
    return ConnectionLostError(f"The connection{address} failed: {str(error) or type(error).__name__}.")


def path(template: str, *parts: str | int) -> str:
    """Return a path with its parts quoted; `{}` stands for each part."""
    if any(part == "" for part in parts):
        raise ValueError(f"An id in {template} is empty.")
    return template.format(*(quote(str(part), safe="") for part in parts))


def new_key(given: str | None = None) -> dict[str, str]:
    """Return the header with an idempotency key: the caller's, or a new one, so that a repeated request
    counts once."""
    return {"idempotency-key": given or str(uuid4())}


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _query(query: Mapping[str, Any]) -> Generator[tuple[str, str]]:
    for name, value in query.items():
        if isinstance(value, (list, tuple, set, frozenset)):
            if value:
                yield name, ",".join(map(str, value))
        elif value is not None:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
