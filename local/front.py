"""One address for everything: the web UI, the function URLs by their routes, sign-in, and data for tools.

/config.json        configuration of the web UI, in the same form as on AWS
/_local/sign-in     Cognito's protocol, sign-in actions only
/_local/oidc        an OpenID Connect provider based on it, for the page
/_local/jwks.json   the user pool's keys
/_local/users       creates a user: {"username", "organization", "role"?} -> {"username", "password"}
/_local/ready       200 when functions process their queues; else 503 with the problems
/_local/stack       names and addresses of what is running
/_local/logs        the last lines of the log, one JSON object on each line
/_local/events      accepts deliveries of pipelines (POST) and shows the last ones, one on each line
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local.demo import PATH, Received
from local.ministack import ClientArguments
from local.oidc import PATH as OIDC_PATH
from local.oidc import LocalIssuer
from local.queues import undrained
from local.sign_in import SignIn, UnknownRole, User, action_of

_BODY_LIMIT = 64 * 1024
_ANY_ORIGIN = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["POST"],
    allow_headers=["content-type", "x-amz-target"],
)
"""Like Cognito's own endpoint, it answers pages of any origin, and accepts names and passwords."""
_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Front:
    """Routes by the longest matching prefix. Paths without a function belong to the web UI."""

    def __init__(self, routes: Mapping[str, ASGIApp], own: ASGIApp, web: ASGIApp) -> None:
        self._routes = sorted(routes.items(), key=lambda route: -len(route[0]))
        self._own = own
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope["path"])(scope, receive, send)

    def _app(self, path: str) -> ASGIApp:
        if path == "/config.json" or path.startswith("/_local/"):
            return self._own
        serving = (app for prefix, app in self._routes if _is_under(path, prefix))
        return next(serving, self._web)


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def own_pages(
    sign_in: SignIn,
    dev_user: User | None,
    stack: Mapping[str, Any],
    log_lines: Callable[[], list[str]],
    received: Received,
) -> ASGIApp:
    """Return the pages that exist only on one machine.

    They answer only to local names, so that a foreign site's script cannot reach them through a DNS name that
    points to 127.0.0.1.
    """
    routes = [
        Route("/config.json", partial(_config, sign_in, dev_user)),
        Route(
            "/_local/sign-in",
            partial(_sign_in, sign_in),
            methods=["POST", "OPTIONS"],
            middleware=[_ANY_ORIGIN],
        ),
        *LocalIssuer(sign_in, sign_in.issuer).routes(),
        Route("/_local/jwks.json", partial(_jwks, sign_in)),
        Route("/_local/users", partial(_make_user, sign_in), methods=["POST"]),
        Route("/_local/ready", partial(_ready, stack["arguments"])),
        Route("/_local/stack", partial(_stack, stack)),
        Route("/_local/logs", partial(_lines, log_lines)),
        Route(PATH, partial(_lines, received.lines)),
        Route(PATH, partial(_receive, received), methods=["POST"]),
    ]
    return _LocalNamesOnly(Starlette(routes=routes, exception_handlers={HTTPException: _as_json}))


class _LocalNamesOnly:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Request(scope).headers.get("host", "").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        local = name in _HOSTS or name.endswith(".localhost")
        app = self._app if local else JSONResponse({"message": f"{name!r} is not a local name."}, 421)
        await app(scope, receive, send)


def web_pages(files: Any) -> ASGIApp:
    """Return the web UI for every path, with JSON errors."""
    app = Starlette(exception_handlers={HTTPException: _as_json})
    app.mount("/", files)
    return app


async def _config(sign_in: SignIn, dev_user: User | None, request: Request) -> Response:
    user = {"username": dev_user.username, "password": dev_user.password} if dev_user else None
    auth = {
        "issuer": sign_in.issuer,
        "clientId": sign_in.client_id,
        "userPoolEndpoint": "/_local/sign-in",
    }
    if sign_in.pool:
        auth["metadataUrl"] = f"{OIDC_PATH}/.well-known/openid-configuration"
    return _uncached({"auth": auth, "devUser": user, "apiBase": {}})


async def _sign_in(sign_in: SignIn, request: Request) -> Response:
    action = action_of(request.headers.get("x-amz-target", ""))
    if action is None:
        return JSONResponse({"__type": "UnknownOperationException", "message": "Not part of sign-in."}, 400)
    answer = await sign_in.forward(action, await _body(request))
    return Response(answer.content, answer.status_code, media_type="application/x-amz-json-1.1")


async def _jwks(sign_in: SignIn, request: Request) -> Response:
    return Response(await sign_in.jwks(), media_type="application/json")


async def _make_user(sign_in: SignIn, request: Request) -> Response:
    try:
        wanted = await _json(request)
        username, organization = str(wanted["username"]), str(wanted["organization"])
        role = None if wanted.get("role") is None else str(wanted["role"])
    except (KeyError, TypeError) as error:
        raise HTTPException(400, "username and organization are needed.") from error
    try:
        user = await run_in_threadpool(sign_in.ensure_user, username, organization, role)
    except UnknownRole as error:
        raise HTTPException(400, str(error)) from error
    return _uncached({"username": user.username, "password": user.password})


async def _ready(arguments: ClientArguments, request: Request) -> Response:
    problems = await undrained(arguments)
    return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)


async def _stack(stack: Mapping[str, Any], request: Request) -> Response:
    return _uncached(stack)


async def _lines(lines: Callable[[], list[str]], request: Request) -> Response:
    return PlainTextResponse("".join(line + "\n" for line in lines()), media_type="application/jsonl")


async def _receive(received: Received, request: Request) -> Response:
    received.add(await _json(request))
    return Response(status_code=204)


async def _json(request: Request) -> Any:
    """Return the JSON body.

    Other types are rejected: with JSON, a page of another origin needs a preflight, which fails.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "Send application/json.")
    try:
        return json.loads(await _body(request))
    except ValueError as error:
        raise HTTPException(400, "This is no JSON.") from error


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise HTTPException(413, f"At most {_BODY_LIMIT} bytes.")
    return body


async def _as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code)


def _uncached(content: Any) -> Response:
    return JSONResponse(content, headers={"cache-control": "no-store"})
