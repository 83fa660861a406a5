"""Tools of MCP servers (streamable HTTP), offered to a model under the name `<server>__<tool>`.

A run has one `McpTools`: it knows the run's servers, opens a session with one only when it has to, and is
closed with the run. What tools a server has is remembered for five minutes in a `Catalogue`, one per process.
A server that is down costs the run nothing but its tools: `McpTools.problems` says so in words, and calls of
its tools give results that say so. What a server says of its tools is hostile input, so it is bounded.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import orjson

from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.agent.tools.workers import in_thread
from millrace.errors import InvalidRequest, MillraceError

if TYPE_CHECKING:
    from millrace.agent.tools.mcp_session import McpSession

REMEMBERED_SECONDS = 300.0
CATALOGUE_LIMIT = 256
SERVERS_LIMIT = 10
TOOLS_LIMIT = 64
DESCRIPTION_LIMIT = 2000
SCHEMA_LIMIT = 16 * 1024
NAME_LIMIT = 64  # of every provider's tool names
_SERVER_NAME = re.compile(r"[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*\Z")


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server as an agent names it. `url` and `headers` may hold secrets and are kept out of every text.

    Raises `InvalidRequest` for a name that cannot begin the names of tools.
    """

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.name) > 24 or not _SERVER_NAME.match(self.name):
            raise InvalidRequest(
                f"A server's name is 1 to 24 letters, digits, - or single _ inside, not {self.name[:48]!r}."
            )

    def identity(self) -> str:
        """Equal for equal URLs and headers; does not reveal them."""
        return hashlib.sha256(orjson.dumps([self.url, sorted(self.headers.items())])).hexdigest()


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as its server lists it."""

    name: str
    description: str
    parameters: dict[str, Any]


class Catalogue:
    """What tools each server listed, for five minutes; at most 256 servers, the oldest go first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._listed: dict[str, tuple[float, list[ListedTool]]] = {}

    def get(self, server: McpServer) -> list[ListedTool] | None:
        until, listed = self._listed.get(server.identity(), (0.0, []))
        return listed if until > self._clock() else None

    def put(self, server: McpServer, listed: list[ListedTool]) -> None:
        self._listed.pop(server.identity(), None)
        self._listed[server.identity()] = (self._clock() + REMEMBERED_SECONDS, listed)
        while len(self._listed) > CATALOGUE_LIMIT:
            del self._listed[next(iter(self._listed))]


class McpTools:
    """The MCP servers of one run, as an async context manager; leaving it ends every session.

    Raises `InvalidRequest` for more than ten servers or two of one name.
    """

    def __init__(
        self, servers: Sequence[McpServer], catalogue: Catalogue, *, allow_loopback_http: bool = False
    ) -> None:
        if len(servers) > SERVERS_LIMIT or len({server.name for server in servers}) < len(servers):
            raise InvalidRequest(f"An agent has at most {SERVERS_LIMIT} MCP servers, each with its own name.")
        self._servers = servers
        self._catalogue = catalogue
        self._allow_loopback_http = allow_loopback_http
        self._sessions: dict[str, McpSession] = {}
        self.problems: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def tools(self) -> list[Tool]:
        """Every tool of every server that answers; what is wrong with the others is added to `problems`."""
        listings = await asyncio.gather(*map(self._listed, self._servers))
        tools: dict[str, Tool] = {}
        for server, listed in zip(self._servers, listings, strict=True):
            for one in listed:
                name = tool_name(server.name, one.name)
                run = partial(self._call, server, one.name)
                tools.setdefault(name, Tool(name, one.description, one.parameters, run))
        return list(tools.values())

    async def aclose(self) -> None:
        """Ends the sessions; takes at most a second even if servers do not answer."""
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.aclose() for session in sessions))

    async def _listed(self, server: McpServer) -> list[ListedTool]:
        known = self._catalogue.get(server)
        if known is not None:
            return known
        try:
            listed = acceptable(await (await self._session(server)).list_tools())
        except MillraceError as error:
            self.problems.append(error.message)
            return []
        self._catalogue.put(server, listed)
        return listed

    async def _call(
        self, server: McpServer, name: str, arguments: dict[str, Any], context: ToolContext
    ) -> ToolResult:
        return await (await self._session(server)).call(name, arguments)

    async def _session(self, server: McpServer) -> "McpSession":
        # The official client takes about a second to import: only agents with MCP servers pay for it.
        await in_thread(import_module, "millrace.agent.tools.mcp_session")
        from millrace.agent.tools.mcp_session import McpSession

        if server.name not in self._sessions:
            self._sessions[server.name] = McpSession(server, self._allow_loopback_http)
        return self._sessions[server.name]


def tool_name(server: str, tool: str) -> str:
    """`<server>__<tool>` in the letters and length that every provider takes; what had to be changed ends
    with a hash, so that two tools never share a name by it."""
    name = f"{server}__{tool}"
    fitting = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:NAME_LIMIT]
    if fitting == name:
        return name
    return f"{fitting[: NAME_LIMIT - 9]}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def acceptable(listed: list[ListedTool]) -> list[ListedTool]:
    """The tools whose schemas are of a size that a model should read, with their descriptions cut."""
    return [
        ListedTool(tool.name, tool.description[:DESCRIPTION_LIMIT], tool.parameters)
        for tool in listed[:TOOLS_LIMIT]
        if len(orjson.dumps(tool.parameters)) <= SCHEMA_LIMIT
    ]
