"""A session with one MCP server through the official client. Imported late, since it imports `mcp`.

The client's session belongs to the task that opened it, but tools are called from many. So a dedicated task
holds it open, and the others only send through it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ContentBlock, EmbeddedResource, TextContent, TextResourceContents

from millrace.agent.tools.mcp_server import LISTED_LIMIT, ListedTool, McpServer
from millrace.agent.tools.tool import Repeat, ToolResult
from millrace.errors import MillraceError
from millrace.net.addresses import Rules
from millrace.net.client import GuardedTransport, resolve_name
from millrace.net.errors import RequestFailed

OPEN_SECONDS = 10.0
CALL_SECONDS = 300.0
CLOSE_SECONDS = 1.0
PAGES_LIMIT = 100
BODY_LIMIT = 8 * 1024 * 1024

logger = logging.getLogger(__name__)


class McpSession:
    """A session that is opened when first used, and again if it broke. Raises `RequestFailed` that names the
    server."""

    def __init__(self, server: McpServer, allow_loopback_http: bool = False) -> None:
        self._server = server
        self._rules = Rules(loopback=allow_loopback_http)
        self._holder: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[Client] | None = None
        self._closing = asyncio.Event()

    async def list_tools(self) -> list[ListedTool]:
        """Return all tools of the server, page by page, up to `LISTED_LIMIT`."""
        tools: list[ListedTool] = []
        cursor: str | None = None
        seen: set[str] = set()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                client = await self._client()
                while len(tools) < LISTED_LIMIT and len(seen) < PAGES_LIMIT:
                    page = await client.list_tools(cursor=cursor)
                    tools += map(_listed, page.tools)
                    cursor = page.next_cursor
                    if not cursor or cursor in seen:  # a server that repeats its cursors would never end
                        break
                    seen.add(cursor)
        except Exception as error:
            raise self._to_error(error) from error
        return tools[:LISTED_LIMIT]

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool. A result that the server marks as an error is returned as a result that is not ok."""
        try:
            # Only opening has to be quick: a tool may work for minutes, and the toolbox limits that.
            async with asyncio.timeout(OPEN_SECONDS):
                client = await self._client()
            result = await client.call_tool(name, arguments, read_timeout_seconds=CALL_SECONDS)
        except Exception as error:
            raise self._to_error(error) from error
        text = self._server.redact(_text_of(result))
        return ToolResult(ok=not result.is_error, text=text, summary=text)

    async def aclose(self) -> None:
        """Close the session, waiting for the server at most a second."""
        self._closing.set()
        if self._holder is not None and not self._holder.done():
            await asyncio.wait({self._holder}, timeout=CLOSE_SECONDS)
            self._holder.cancel()
            await asyncio.wait({self._holder})

    async def _client(self) -> Client:
        if self._holder is None or self._holder.done():
            self._opened = asyncio.get_running_loop().create_future()
            self._holder = asyncio.create_task(self._hold(self._opened))
        assert self._opened is not None
        # Shielded: the caller may be canceled while others wait for the same session.
        return await asyncio.shield(self._opened)

    async def _hold(self, opened: asyncio.Future[Client]) -> None:
        """Keep the session open until it is closed or breaks. Those who wait for it get the error."""
        bridge = _Bridge(GuardedTransport(self._rules, resolve_name))
        # A few compressed kilobytes may expand to gigabytes, and `BODY_LIMIT` counts bytes as sent.
        headers = dict(self._server.headers) | {"Accept-Encoding": "identity"}
        timeout = httpx2.Timeout(OPEN_SECONDS, read=CALL_SECONDS)
        try:
            async with httpx2.AsyncClient(
                transport=bridge, headers=headers, timeout=timeout, trust_env=False
            ) as http:
                transport = streamable_http_client(self._server.url, http_client=http)
                async with Client(transport, cache=None) as client:
                    opened.set_result(client)
                    await self._closing.wait()
        except Exception as error:
            self._broke(opened, error)
        finally:
            # If canceled before the session is open, this task must not leave others waiting for it.
            opened.cancel()

    def _broke(self, opened: asyncio.Future[Client], error: Exception) -> None:
        if not opened.done():
            opened.set_exception(_innermost(error))
            opened.exception()  # marked as retrieved, since nobody may be waiting any more
        else:
            logger.info("%s", self._to_error(error).message)  # not the traceback, which may have the URL

    def _to_error(self, error: Exception) -> MillraceError:
        """Return the error with a message that names the server, but nothing of its URL or headers."""
        cause = _innermost(error)
        said = cause.message if isinstance(cause, MillraceError) else f"{type(cause).__name__}: {cause}"
        if isinstance(cause, TimeoutError):
            said = "it did not answer in time"
        return RequestFailed(
            f"The MCP server {self._server.name} is not available: {self._server.redact(said)[:500]}"
        )


def _innermost(error: BaseException) -> BaseException:
    """Return the actual error of an exception group, in which task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _text_of(result: CallToolResult) -> str:
    return "\n".join(_block_text(block) for block in result.content)


def _block_text(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, EmbeddedResource) and isinstance(block.resource, TextResourceContents):
        return block.resource.text
    named = getattr(block, "uri", None) or getattr(block, "mime_type", None) or ""
    return f"[{block.type} {named}]"


class _Bridge(httpx2.AsyncBaseTransport):
    """Lets the client, which uses httpx2, send through the guarded transport, which uses httpx."""

    def __init__(self, guarded: GuardedTransport) -> None:
        self._guarded = guarded

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        sent = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=content,
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        try:
            response = await self._guarded.handle_async_request(sent)
        except httpx.HTTPError as error:
            raise httpx2.ConnectError(str(error) or type(error).__name__) from error
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the response is compressed, which was not requested")
        return httpx2.Response(response.status_code, headers=response.headers.raw, stream=_Body(response))

    async def aclose(self) -> None:
        await self._guarded.aclose()


class _Body(httpx2.AsyncByteStream):
    """The bytes of an answer, up to a limit."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._response.aiter_raw():
                size += len(chunk)
                if size > BODY_LIMIT:
                    raise httpx2.ReadError(f"the answer has more than {BODY_LIMIT} bytes")
                yield chunk
        except httpx.HTTPError as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        await self._response.aclose()


def _listed(tool: Any) -> ListedTool:
    hints = tool.annotations
    # Hints are the server's own claim: if one is wrong, only that server's tool runs twice.
    repeat: Repeat = "safe" if hints and (hints.read_only_hint or hints.idempotent_hint) else "never"
    return ListedTool(tool.name, tool.description or "", tool.input_schema, repeat)
