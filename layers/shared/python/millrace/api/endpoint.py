"""A route of a streamed app: an operation with the function that handles it.

The streamed functions are plain Starlette, since importing FastAPI alone takes as much CPU as the rest of
their init.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar

from msgspec import Struct
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace.api.audited import admitted, noted
from millrace.api.auth import Auth
from millrace.api.operation import Credential, Operation
from millrace.api.revoked_streams import until_revoked
from millrace.domain.access import Principal
from millrace.domain.json_reader import media_type, read_shallow
from millrace.errors import InvalidRequest, TooLarge, UnsupportedMedia

MAX_BODY = 1024 * 1024
MOST_FIELDS = 100
"""The maximum number of invalid fields that an error names."""
Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[Request, Principal], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Endpoint(Operation):
    """An operation and its handler, which is called only for callers with the operation's scopes."""

    handler: Handler
    credential: Credential = field(default="either", kw_only=True)

    def route(self, auth: Auth) -> "EndpointRoute":
        """Return the endpoint as a Starlette route."""
        return EndpointRoute(self.path, self.method, _Served(self, auth))


class EndpointRoute(BaseRoute):
    """A route whose pattern is compiled when it may first match: a function has some fifty routes, and a
    process uses only a few of them."""

    def __init__(self, path: str, method: str, app: ASGIApp) -> None:
        self.path, self.methods = path, [method]
        self._app = app
        self._segments = path.split("/")

    @cached_property
    def _route(self) -> Route:
        return Route(self.path, self._app, methods=self.methods)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette. In a mounted app, only the pattern can decide."""
        segments = scope.get("path", "").split("/")
        if scope.get("root_path") or self._may_serve(segments):
            return self._route.matches(scope)
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._route.handle(scope, receive, send)

    def _may_serve(self, segments: list[str]) -> bool:
        return len(segments) == len(self._segments) and all(
            own == given or own.startswith("{") for own, given in zip(self._segments, segments, strict=True)
        )


class _Served(Struct, frozen=True):
    """An endpoint as an ASGI app. Starlette would wrap a function once more, and each token would pass
    through that."""

    endpoint: Endpoint
    auth: Auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        request.state.operation = self.endpoint
        caller = await self.auth(request)
        await admitted(request, self.endpoint, caller)
        act = partial(self.endpoint.handler, request, caller)
        response = await noted(request, self.endpoint, caller, act)
        limits, cut = getattr(request.state, "limits", None), getattr(response, "cut", None)
        if limits is None or cut is None:
            return await response(scope, receive, send)
        async with until_revoked(cut, limits, caller):
            await response(scope, receive, send)


async def read_body(
    request: Request, model: type[Body], limit: int = MAX_BODY, *, any_type: bool = False
) -> Body:
    """Return the request's JSON body of at most `limit` bytes as `model`. With `any_type` the content type
    is ignored. Raises `TooLarge`, `UnsupportedMedia` or `InvalidRequest`, whose details name each invalid
    field."""
    kind = media_type(request.headers.get("content-type", "application/json"))
    if not any_type and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    try:
        return model.model_validate(read_shallow(await read_bytes(request, limit) or b"{}"))
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> InvalidRequest:
    """Return a validation error with the path of each invalid field and the allowed values."""
    fields = [
        {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    count, fields = len(fields), fields[:MOST_FIELDS]
    first = f"{fields[0]['path'] or 'body'}: {fields[0]['message']}"
    more = f" (and {count - 1} more)" if count > 1 else ""
    return InvalidRequest(f"{first}{more}.", code="invalid_request", fields=fields)


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the request's body. Raises `TooLarge` if it exceeds `limit` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body must not exceed {limit:,} bytes.", limit=limit)
        parts.append(part)
    return b"".join(parts)


_DIGITS = 16


def whole_number(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """Return a query parameter as a number in a range. Raises `InvalidRequest`."""
    given = request.query_params.get(name)
    if given is None or given == "":
        return default
    # int() would refuse thousands of digits with an error of its own.
    fits = given.isascii() and given.isdigit() and len(given) <= _DIGITS
    if not fits or not lowest <= int(given) <= highest:
        raise InvalidRequest(
            f"{name} must be a whole number from {lowest} to {highest}.", code="invalid_query"
        )
    return int(given)


def truth(request: Request, name: str) -> bool:
    """Return a query parameter that is true or false; false if it is missing. Raises `InvalidRequest`."""
    given = request.query_params.get(name, "").lower()
    if given not in ("", "true", "false"):
        raise InvalidRequest(f"{name} must be true or false.", code="invalid_query")
    return given == "true"
