"""Routes of the management API: FastAPI's, with the contract of an operation.

The caller is authenticated and has the operation's scopes before the body is read. Bodies are read as in the
other functions, by `millrace.domain.json_reader`, with gzip allowed. FastAPI itself would use the standard
library, which accepts NaN, duplicate keys and anything after the document.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from fastapi import APIRouter, Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from millrace.api.audited import admitted, noted
from millrace.api.auth import Auth
from millrace.api.operation import EMPTY, JSON, Answer, Credential, Needs, Operation, Parameter
from millrace.api.parameters import DRY_RUN, UNCHANGED_SINCE
from millrace.domain.access import Principal, Scope
from millrace.domain.json_reader import DEEPEST, LINES, check_levels, inflate, media_type, read_documents
from millrace.domain.replacement import WriteOptions
from millrace.errors import UnsupportedMedia

MAX_BODY = 6 * 1024 * 1024
"""The largest body that Lambda passes on, which a compressed one must not exceed either."""
JSON_OR_LINES = (JSON, "application/x-ndjson")
MOST_LEVELS = DEEPEST + 4
"""The maximum depth of a body: an event may have `DEEPEST`, and is nested in the items of a request."""
_OPERATION = "millrace_operation"
_READ = frozenset({"POST", "PUT", "PATCH"})
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


Function = TypeVar("Function", bound=Callable[..., Any])


class JsonRoute(APIRoute):
    """A route of an operation. The app's state has the authentication as `auth`."""

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler, which is called only for callers with the operation's scopes."""
        handle, operation = super().get_route_handler(), operation_of(self.endpoint)

        async def handler(request: Request) -> Response:
            async def answer() -> Response:
                return await handle(await _read(request, operation) if request.method in _READ else request)

            if operation.credential == "none":
                return await answer()
            auth: Auth = request.app.state.auth
            request.state.operation = operation
            caller = await auth(request)
            await admitted(request, operation, caller)
            return await noted(request, operation, caller, answer)

        return handler


class JsonRouter(APIRouter):
    """A router whose routes are all declared with `operation`."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__(prefix=prefix, route_class=JsonRoute)

    def operation(
        self,
        method: str,
        path: str,
        summary: str,
        scope: Scope | Needs,
        *,
        answers: Mapping[int, Answer | str],
        errors: tuple[str, ...] = (),
        body: Any = None,
        body_required: bool = True,
        body_media: tuple[str, ...] = (JSON,),
        parameters: tuple[Parameter, ...] = (),
        credential: Credential = "token",
        audited: bool | None = None,
        checks_caller: bool = False,
    ) -> Callable[[Function], Function]:
        """Serve an operation with the decorated function. The first of the answers is the usual one."""
        declared = Operation(
            method,
            self.prefix + path,
            summary,
            scope,
            answers=answers,
            errors=errors,
            body=body,
            body_required=body_required,
            body_media=body_media,
            parameters=parameters,
            credential=credential,
            audited=audited,
            checks_caller=checks_caller,
        )

        def add(function: Function) -> Function:
            vars(function)[_OPERATION] = declared
            _build_models(function)
            status = next(iter(answers))
            kind = Response if answers[status] == EMPTY else JSONResponse
            self.add_api_route(
                path,
                function,
                methods=[method],
                status_code=status,
                response_model=None,
                response_class=kind,
            )
            return function

        return add


def _build_models(function: Callable[..., Any]) -> None:
    """Build the models of a function's parameters, which FastAPI requires to be complete."""
    for hint in get_type_hints(function).values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                kind.model_config["defer_build"] = False  # FastAPI's adapters inherit this
                kind.model_rebuild()


def operation_of(function: Callable[..., Any]) -> Operation:
    """Return the operation that a function handles. Raises `KeyError` if it declares none."""
    declared: Operation = vars(function)[_OPERATION]
    return declared


def caller_of(request: Request) -> Principal:
    """Return the caller of an operation."""
    caller: Principal = request.state.caller
    return caller


Caller = Annotated[Principal, Depends(caller_of)]
UnchangedSince = Annotated[
    str | None, Query(alias=UNCHANGED_SINCE.name, description=UNCHANGED_SINCE.description)
]
DryRun = Annotated[bool, Query(alias=DRY_RUN.name, description=DRY_RUN.description)]


def _write_options(unchanged_since: UnchangedSince = None, dry_run: DryRun = False) -> WriteOptions:
    return WriteOptions(unchanged_since, dry_run)


Options = Annotated[WriteOptions, Depends(_write_options)]
"""The options of a PUT."""


async def _read(request: Request, operation: Operation) -> Request:
    """Return the request with its parsed body. Raises the errors of `inflate` and `read_documents`."""
    body = await request.body()
    if not body:
        return request
    headers = request.headers
    if media_type(headers.get("content-type", "")) in LINES and operation.body_media != JSON_OR_LINES:
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    body = inflate(body, headers.get("content-encoding", ""), MAX_BODY)
    value = read_documents(body, headers.get("content-type", ""))
    check_levels(value, MOST_LEVELS)
    return _with_value(request, body, value)


def _with_value(request: Request, body: bytes, value: Any) -> Request:
    # FastAPI decides by this header whether a body is JSON, and this body may have been JSON Lines.
    kept = [(name, each) for name, each in request.scope["headers"] if name.lower() != b"content-type"]
    request.scope["headers"] = [*kept, (b"content-type", b"application/json")]
    fresh = Request(request.scope, request.receive)
    fresh._body, fresh._json = body, value  # Starlette's cache of what was read
    return fresh
