"""A real MCP server on loopback, from the official package, under uvicorn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ListToolsResult, PaginatedRequestParams

from tests.serving import PromptServer


@dataclass
class Running:
    """The server's URL, the header `authorization` of each request, and each request's JSON-RPC method."""

    url: str = ""
    keys: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def mcp_server(
    old: bool = False, json: bool = False, more: int = 0, page: int = 0
) -> AsyncIterator[Running]:
    """Serve until the block ends. `old` refuses what came with the protocol's version of 2026. It has `more`
    tools than usual, listed in pages of `page`; pages of -1 never end."""
    running = Running()
    app = _watched(_server(running, more, page).streamable_http_app(json_response=json), running, old)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, ws="none", timeout_graceful_shutdown=1
    )
    server = PromptServer(config)
    sockets = [config.bind_socket()]
    serving = asyncio.create_task(server.serve(sockets))
    running.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/mcp"
    try:
        await asyncio.to_thread(server.ready.wait)
        yield running
    finally:
        server.end()
        await serving
        sockets[0].close()


class Paged(MCPServer[Any]):
    """Lists its tools in pages, which the official server does not."""

    page = 0

    async def _handle_list_tools(
        self, ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        tools = await self.list_tools()
        begin = int((params and params.cursor) or 0)
        if self.page < 0:
            return ListToolsResult(tools=tools, next_cursor="1")
        end = begin + (self.page or len(tools))
        return ListToolsResult(tools=tools[begin:end], next_cursor=str(end) if end < len(tools) else None)


def _server(running: Running, more: int, page: int) -> MCPServer[Any]:
    server = Paged("test", log_level="CRITICAL")
    server.page = page

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def fail() -> str:
        """Fails."""
        raise ValueError("it broke")

    @server.tool(name="odd name/with.signs")
    def odd() -> str:
        return "odd"

    @server.tool()
    async def wait(context: Context[Any]) -> str:
        """Never ends."""
        running.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            running.cancelled.set()
        return ""

    @server.tool()
    async def echo_headers(context: Context[Any]) -> str:
        """Return back what it was sent with."""
        request = context.request_context.request
        assert request is not None
        return str(request.url) + str(dict(request.headers))

    for number in range(more):
        server.add_tool(_says(number), name=f"more_{number}", description="One of many.")

    @server.tool()
    def flood() -> str:
        """Say too much."""
        return "x" * 9_000_000

    return server


def _says(number: int) -> Callable[[], str]:
    def say() -> str:
        return str(number)

    return say


Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def _watched(app: Asgi, running: Running, old: bool) -> Asgi:
    """Note what is asked; as an `old` server does not know the newer protocol's first request."""

    async def watch(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await app(scope, receive, send)
        running.keys.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        message = await receive()
        asked = orjson.loads(message["body"] or b"{}")
        running.methods.append(asked.get("method", ""))
        if old and asked.get("method") == "server/discover":
            return await _refuse(asked, send)
        messages = iter([message])

        async def replay() -> Any:
            return next(messages, None) or await receive()

        await app(scope, replay, send)

    return watch


async def _refuse(asked: dict[str, Any], send: Any) -> None:
    error = {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "Method not found"}}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(error)})
