"""Refusals that tell an MCP client where to get a token, and which scope it needs (RFC 9728, RFC 6750)."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METADATA = "/.well-known/oauth-protected-resource"
PATH = "/mcp"


class Challenge:
    """Middleware that names the metadata of this resource in each 401 and 403."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def challenge(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (401, 403):
                headers = MutableHeaders(raw=message["headers"])
                headers["www-authenticate"] = _challenge(Request(scope), message["status"])
            await send(message)

        await self._app(scope, receive, challenge)


def _challenge(request: Request, status: int) -> str:
    parts = [f'resource_metadata="{base_url(request)}{METADATA}{PATH}"']
    needed = getattr(request.state, "missing_scope", None)
    if status == 403:
        parts.insert(0, 'error="insufficient_scope"')
    elif "authorization" in request.headers:
        parts.insert(0, 'error="invalid_token"')
    return "Bearer " + ", ".join([*parts, *([f'scope="{needed}"'] if needed else [])])


def base_url(request: Request) -> str:
    """Return the address of this deployment as the client sees it."""
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    scheme = forwarded if forwarded in ("http", "https") else request.url.scheme
    return f"{scheme}://{request.url.netloc}"
