"""A route of a streamed app: how it is served, and what the OpenAPI document says of it.

The streamed functions are plain Starlette: FastAPI's import alone costs as much CPU as all the rest of their
init. This table carries what FastAPI would have read from signatures.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from millrace.domain.access import Scope
from millrace.domain.json_reader import media_type, read_json
from millrace.errors import InvalidRequest, TooLarge, UnsupportedMedia

MAX_BODY = 1024 * 1024
Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[Request], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `streams` marks answers that can be Server-Sent Events."""

    method: str
    path: str
    handler: Handler
    summary: str
    scope: Scope | None = "chat"
    body: type[BaseModel] | None = None
    query: dict[str, str] = field(default_factory=dict)
    streams: bool = False
    status: int = 200

    def route(self) -> Route:
        """The endpoint as a Starlette route."""

        async def serve(request: Request) -> ASGIApp:
            request.state.streams = self.streams
            return await self.handler(request)

        return Route(self.path, serve, methods=[self.method])

    def openapi(self) -> dict[str, Any]:
        """Its operation object."""
        named = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        parameters = [_parameter(name, "path", "", True) for name in named]
        parameters += [_parameter(name, "query", text, False) for name, text in self.query.items()]
        content: dict[str, Any] = {} if self.status == 204 else {"application/json": {"schema": {}}}
        if self.streams:
            content["text/event-stream"] = {"schema": {"type": "string"}}
        answer = {"description": "Success"} | ({"content": content} if content else {})
        operation: dict[str, Any] = {
            "summary": self.summary,
            "operationId": self.handler.__name__,
            "parameters": parameters,
            "responses": {str(self.status): answer, "default": {"$ref": "#/components/responses/Error"}},
            "security": [{"bearer": [self.scope]}] if self.scope else [],
        }
        if self.body:
            schema = {"$ref": f"#/components/schemas/{self.body.__name__}"}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return operation


def _parameter(name: str, location: str, text: str, required: bool) -> dict[str, Any]:
    about = {"description": text} if text else {}
    return {"name": name, "in": location, "required": required, "schema": {"type": "string"}} | about


async def read_body(request: Request, model: type[Body], most: int = MAX_BODY) -> Body:
    """The request's JSON body as `model`, at most so many bytes. Raises `TooLarge`, `UnsupportedMedia` or
    `InvalidRequest`, whose details name each wrong field."""
    kind = media_type(request.headers.get("content-type", "application/json"))
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    try:
        return model.model_validate(read_json(await _bytes(request, most) or b"{}"))
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> InvalidRequest:
    """A validation error with the path of each wrong field and what is allowed there."""
    fields = [
        {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = f"{fields[0]['path'] or 'body'}: {fields[0]['message']}"
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    return InvalidRequest(f"{first}{more}.", code="invalid_request", fields=fields)


async def _bytes(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(f"The body must not exceed {most:,} bytes.", limit=most)
        parts.append(part)
    return b"".join(parts)


def whole_number(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """A query parameter as a number in a range. Raises `InvalidRequest`."""
    given = request.query_params.get(name)
    if given is None or given == "":
        return default
    if not given.isascii() or not given.isdigit() or not lowest <= int(given[:12]) <= highest:
        raise InvalidRequest(
            f"{name} must be a whole number from {lowest} to {highest}.", code="invalid_query"
        )
    return int(given)
