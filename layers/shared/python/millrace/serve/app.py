"""The ASGI apps of all functions with URLs as one app, by path.

Requests have no deadline here (`api/deadline.py`): a run continues until it ends. If its process is stopped,
it is continued from the run queue, as in Lambda.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace.settings import Settings
from millrace.telemetry import logs

ROUTES: dict[str, tuple[str, ...]] = {
    "conversation": (
        "/api/conversations",
        "/api/runs",
        "/api/approvals",
        "/api/memories",
        "/api/files",
        "/api/chat",
        "/agui",
        "/v1/models",
        "/v1/chat",
        "/v1/responses",
    ),
    "command_center": ("/api/command-center",),
    "a2a": ("/a2a", "/api/a2a", "/.well-known/agent-card.json"),
    "mcp": ("/mcp", "/.well-known/oauth-protected-resource"),
    "flows": ("/api/flows",),
    "webhooks": ("/hooks",),
    "voice": ("/api/voice", "/v1/audio", "/api/stream-tickets"),
    "management": ("/api",),
}
"""The paths of each app, as in its function's Metadata.Routes in the template. The longest prefix wins."""
Make = Callable[[Settings], Starlette]


class Served:
    """Passes each request to the app with its path."""

    def __init__(self, apps: Mapping[str, Starlette]) -> None:
        self._apps = apps
        self._routes = sorted(
            ((route, logs.requests(apps[name])) for name in apps for route in ROUTES[name]),
            key=lambda route: -len(route[0]),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Starlette(lifespan=self._lifespan)(scope, receive, send)
        else:
            await self._app(scope.get("path", ""))(scope, receive, send)

    def _app(self, path: str) -> Any:
        for route, app in self._routes:
            if path == route or path.startswith(route + "/"):
                return app
        message = f"Nothing is served at {path}; see /api/openapi.json."
        return JSONResponse({"error": {"code": "no_such_path", "message": message}}, 404)

    @asynccontextmanager
    async def _lifespan(self, app: ASGIApp) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for one in self._apps.values():
                await stack.enter_async_context(one.router.lifespan_context(one))
            yield


def create_app(settings: Settings, names: tuple[str, ...] = tuple(ROUTES)) -> Served:
    """Return the app that serves these functions with the tables, queues and buckets of the settings."""
    return Served({name: _make(name)(settings) for name in names})


def _make(name: str) -> Make:
    make: Make = import_module(f"millrace.api.{name}_app").create_app
    return make
