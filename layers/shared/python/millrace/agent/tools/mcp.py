"""Tools of MCP servers (streamable HTTP), offered to a model under the name `<server>__<tool>`.

A run has one `McpTools`, which knows the run's servers, opens a session with one only when needed, and is
closed with the run. The tools of a server are remembered for five minutes in the process's `ToolCatalog`. If
a server is down, the run only lacks its tools: `McpTools.problems` says so, and so do the results of calls.
What a server says about its tools is untrusted, so it is limited; `McpTools.left_out` names what was too
much. An agent that names the tools it wants gets only these.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from millrace.agent.providers.lenient_json import storable
from millrace.agent.tools.left_out import LeftOut
from millrace.agent.tools.mcp_server import ListedTool, McpServer
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.agent.tools.workers import in_thread
from millrace.errors import InvalidRequest, MillraceError

if TYPE_CHECKING:
    from millrace.agent.tools.mcp_session import McpSession

REMEMBERED_SECONDS = 300.0
CATALOG_LIMIT = 256
SERVERS_LIMIT = 10
TOOLS_LIMIT = 64
"""The maximum number of tools that an agent gets from one server if it does not name any."""
DESCRIPTION_LIMIT = 2000
SCHEMA_LIMIT = 16 * 1024
NAME_LIMIT = 64  # a limit that all providers accept


class Listing(Struct, frozen=True):
    """The tools of a server that an agent gets, and the others with the reason."""

    tools: list[ListedTool]
    left_out: list[LeftOut] = field(default_factory=list)


class ToolCatalog:
    """The listing of each server, for five minutes. At most 256 servers; the oldest are dropped first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._listed: dict[str, tuple[float, Listing]] = {}

    def get(self, server: McpServer) -> Listing | None:
        until, listed = self._listed.get(server.identity(), (0.0, None))
        return listed if until > self._clock() else None

    def put(self, server: McpServer, listed: Listing) -> None:
        # A key that is set again keeps its position, so a fresh listing would be dropped as the oldest.
        self._listed.pop(server.identity(), None)
        self._listed[server.identity()] = (self._clock() + REMEMBERED_SECONDS, listed)
        while len(self._listed) > CATALOG_LIMIT:
            del self._listed[next(iter(self._listed))]


class McpTools:
    """The MCP servers of one run, as an async context manager that closes every session at its end.

    Raises `InvalidRequest` for more than ten servers or for two with the same name.
    """

    def __init__(
        self, servers: Sequence[McpServer], tool_catalog: ToolCatalog, *, allow_loopback_http: bool = False
    ) -> None:
        if len(servers) > SERVERS_LIMIT or len({server.name for server in servers}) < len(servers):
            raise InvalidRequest(
                f"An agent may have at most {SERVERS_LIMIT} MCP servers, each with its own name."
            )
        self._servers = servers
        self._tool_catalog = tool_catalog
        self._allow_loopback_http = allow_loopback_http
        self._sessions: dict[str, McpSession] = {}
        self.problems: list[str] = []
        self.left_out: list[LeftOut] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def tools(self) -> list[Tool]:
        """Return the tools of every server that responds, as far as the agent gets them. Problems with the
        other servers are added to `problems`, and tools that the agent does not get to `left_out`."""
        listings = await asyncio.gather(*map(self._listed, self._servers))
        self.left_out = [one for listing in listings for one in listing.left_out]
        return [
            Tool(
                tool_name(server.name, one.name),
                one.description,
                one.parameters,
                self._runs(server, one),
                server.scope,
                one.repeat,
            )
            for server, listing in zip(self._servers, listings, strict=True)
            for one in listing.tools
        ]

    def _runs(self, server: McpServer, one: ListedTool) -> Callable[..., Any]:
        return partial(self._call, server, one.name)

    async def aclose(self) -> None:
        """Close the sessions. Takes at most a second, even if servers do not respond."""
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.aclose() for session in sessions))

    async def _listed(self, server: McpServer) -> Listing:
        known = self._tool_catalog.get(server)
        if known is not None:
            return known
        try:
            listed = chosen(server, await (await self._session(server)).list_tools())
        except MillraceError as error:
            self.problems.append(error.message)
            return Listing([])
        self._tool_catalog.put(server, listed)
        return listed

    async def _call(
        self, server: McpServer, name: str, arguments: dict[str, Any], context: ToolContext
    ) -> ToolResult:
        return await (await self._session(server)).call(name, arguments)

    async def _session(self, server: McpServer) -> "McpSession":
        # The official client takes about a second to import, so only agents with MCP servers load it.
        await in_thread(import_module, "millrace.agent.tools.mcp_session")
        from millrace.agent.tools.mcp_session import McpSession

        if server.name not in self._sessions:
            self._sessions[server.name] = McpSession(server, self._allow_loopback_http)
        return self._sessions[server.name]


def tool_name(server: str, tool: str) -> str:
    """Return `<server>__<tool>` with the characters and length that every provider accepts. A name that had
    to be changed ends with a hash, so that two tools never get the same name."""
    name = f"{server}__{tool}"
    fitting = _in_plain_characters(name)[:NAME_LIMIT]
    if fitting == name:
        return name
    return f"{fitting[:_UNHASHED]}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def name_start(start: str) -> str:
    """Return the beginning of the names of all tools whose `<server>__<tool>` begins with `start`. If names
    are cut, it may match others as well."""
    return _in_plain_characters(start)[:_UNHASHED]


_UNHASHED = NAME_LIMIT - 9


def _in_plain_characters(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def chosen(server: McpServer, listed: Sequence[ListedTool]) -> Listing:
    """Return the tools that an agent gets of those listed: the ones that it names, otherwise the first
    `TOOLS_LIMIT`, if their schemas are not too large for a model. Descriptions are cut."""
    # Reversed, so that the first of two tools with the same name is used.
    readable = {one.name: one for one in map(_storable, reversed(listed)) if one}
    wanted = list(dict.fromkeys(one.name for one in listed)) if server.tools is None else list(server.tools)
    unknown = [name for name in wanted if name not in {one.name for one in listed}]
    large = [name for name in wanted if name not in readable and name not in unknown]
    fitting = [readable[name] for name in wanted if name in readable]
    limit = TOOLS_LIMIT if server.tools is None else len(fitting)
    reasons = (
        ("the agent names them, but the server does not list them", unknown),
        (f"their schemas have more than {SCHEMA_LIMIT // 1024} KB, or are nested too deeply", large),
        (_TOO_MANY, [one.name for one in fitting[limit:]]),
    )
    return Listing(
        [_cut(server, one) for one in fitting[:limit]],
        [LeftOut(server.name, reason, names) for reason, names in reasons if names],
    )


def _storable(one: ListedTool) -> ListedTool | None:
    try:
        parameters = storable(one.parameters)
    except ValueError:
        return None
    return replace(one, parameters=parameters) if len(orjson.dumps(parameters)) <= SCHEMA_LIMIT else None


_TOO_MANY = (
    f"an agent that names no tools gets {TOOLS_LIMIT} of a server; name those it needs in mcpServers[].tools"
)


def _cut(server: McpServer, one: ListedTool) -> ListedTool:
    # A server may repeat the credential that it was sent, and models read its descriptions. Redact before
    # cutting, since half a credential would not be recognized.
    description = server.redact(one.description)[:DESCRIPTION_LIMIT]
    return replace(one, description=description, parameters=_redacted(server, one.parameters))


def _redacted(server: McpServer, value: Any) -> Any:
    if isinstance(value, str):
        return server.redact(value)
    if isinstance(value, list):
        return [_redacted(server, each) for each in value]
    if isinstance(value, dict):
        return {server.redact(name): _redacted(server, each) for name, each in value.items()}
    return value
