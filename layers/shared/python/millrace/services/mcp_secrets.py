"""Secrets of agents' MCP servers and A2A agents: sealed when an agent is written, unsealed for a run.

Secrets are header values and the URL's query. The encryption context binds each to its organization, agent,
server, name and the origin (scheme, host and port) of the server's URL. So `[hidden]`, which keeps a value in
a change, cannot send it to another address, and neither can a write to the table. A role that writes agents
needs only kms:Encrypt. Values stored as plain text are sealed at the next write.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from millrace.agent.tools.mcp_server import McpServer as OpenServer
from millrace.domain.agents import HIDDEN, QUERY, McpServer, RemoteServer
from millrace.errors import InvalidRequest, MillraceError
from millrace.net.headers import header_problem
from millrace.services.mcp_checks import origin_of, wrong_fields
from millrace.stores.sealing import Context, Sealer

CACHE_SECONDS = 300.0
_CACHE_SIZE = 1_000
_SEALED = "sealed:"

S = TypeVar("S", bound=RemoteServer)

log = logging.getLogger(__name__)


class Owner(Struct, frozen=True):
    """The agent that has the servers."""

    organization: str
    agent_id: str

    def context(self, server: RemoteServer, name: str) -> Context:
        """Return the encryption context that a secret of this name is bound to."""
        return {
            "purpose": "mcp",
            "organization": self.organization,
            "agent": self.agent_id,
            "server": server.name,
            "origin": origin_of(server.url),
            "name": name.lower(),
        }


class McpSecrets:
    """Seals and unseals secrets, one in each process. Unsealed values are cached for five minutes."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._cache: dict[str, tuple[float, str]] = {}

    async def seal(
        self, owner: Owner, servers: Sequence[S], old: Sequence[S] = (), *, field: str = "mcpServers"
    ) -> list[S]:
        """Return the servers as they are stored. `[hidden]` keeps the old server's value of the same name.

        Raises `InvalidRequest` for `[hidden]` without a stored value, or with one for another origin.
        """
        stored = {server.name: _query_apart(server) for server in old}
        given = [_query_apart(server) for server in servers]
        plain = [
            _with_stored(f"{field}.{n}", server, stored.get(server.name)) for n, server in enumerate(given)
        ]
        return list(await asyncio.gather(*(self._sealed(owner, server) for server in plain)))

    async def unseal(
        self, owner: Owner, servers: Sequence[RemoteServer]
    ) -> tuple[list[OpenServer], list[str]]:
        """Return the servers to connect to, and a sentence about each whose secrets cannot be read."""
        found = await asyncio.gather(*(self._opened(owner, server) for server in servers))
        opened = [one for one in found if isinstance(one, OpenServer)]
        return opened, [one for one in found if isinstance(one, str)]

    async def _sealed(self, owner: Owner, server: S) -> S:
        values = (self._sealed_value(owner.context(server, name), v) for name, v in server.headers.items())
        headers = dict(zip(server.headers, await asyncio.gather(*values), strict=True))
        return server.model_copy(update={"headers": headers})

    async def _sealed_value(self, context: Context, value: str) -> str:
        if isinstance(value, _Stored) and value.startswith(_SEALED):
            return str(value)
        return _SEALED + base64.b64encode(await self._sealer.seal(value, context)).decode()

    async def _opened(self, owner: Owner, server: RemoteServer) -> OpenServer | str:
        server = _query_apart(server)
        try:
            values = (self._value(owner.context(server, name), v) for name, v in server.headers.items())
            headers = dict(zip(server.headers, await asyncio.gather(*values), strict=True))
        except MillraceError as error:
            return _not_available(server, error.message)
        query = headers.pop(QUERY, "")
        wrong = [found for name, value in headers.items() if (found := header_problem(name, value))]
        if wrong:
            return _not_available(server, wrong[0])
        url = server.url.partition("?")[0] + (f"?{query}" if query else "")
        tools = server.tools if isinstance(server, McpServer) else None
        wanted = None if tools is None else tuple(tools)
        return OpenServer(server.name, url, headers, wanted, server.scope)

    async def _value(self, context: Context, value: str) -> str:
        """Return a value in plain text. A value that is not sealed was stored by an earlier version.

        Raises `MillraceError` for one that cannot be read.
        """
        if not value.startswith(_SEALED):
            return value
        # The context is part of the key: a value copied to another agent must fail here as it does in KMS.
        key = "\n".join((*context.values(), value))
        until, plain = self._cache.get(key, (0.0, ""))
        if until < time.monotonic():
            plain = await self._unsealed(context, value)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = (time.monotonic() + CACHE_SECONDS, plain)
        return plain

    async def _unsealed(self, context: Context, value: str) -> str:
        from botocore.exceptions import ClientError

        try:
            plain = await self._sealer.unseal(base64.b64decode(value.removeprefix(_SEALED)), context)
        except (ClientError, ValueError) as error:
            log.warning("A secret of an MCP server cannot be read.", exc_info=error)
            plain = None
        if plain is None:
            raise InvalidRequest("its secrets cannot be read; set its headers again.")
        return plain


class _Stored(str):
    """A value from the table, which a client cannot produce."""


def _query_apart(server: S) -> S:
    """Move the URL's query to the headers under `QUERY`; the URL keeps only a placeholder."""
    base, separator, query = server.url.partition("?")
    if not separator or QUERY in server.headers:
        return server
    headers = server.headers | ({QUERY: query} if query else {})
    return server.model_copy(update={"url": f"{base}?{HIDDEN}" if query else base, "headers": headers})


def _with_stored(location: str, server: S, stored: S | None) -> S:
    headers: dict[str, str] = {}
    for name, value in server.headers.items():
        try:
            headers[name] = _stored_value(server, name, stored) if HIDDEN in value else value
        except LookupError as missing:
            path = "url" if name == QUERY else f"headers.{name}"
            raise wrong_fields([(f"{location}.{path}", str(missing))]) from missing
    return server.model_copy(update={"headers": headers})


def _stored_value(server: RemoteServer, name: str, stored: RemoteServer | None) -> str:
    """Return the stored value. Raises `LookupError` with the reason if there is none for this server."""
    if server.headers[name] != HIDDEN:
        raise LookupError(f"{HIDDEN} keeps the whole stored value, so it must not be part of a longer value")
    values = {key.lower(): value for key, value in stored.headers.items()} if stored else {}
    if stored is None or name.lower() not in values:
        raise LookupError(f"{HIDDEN} keeps a stored value, but there is none; send the value")
    if origin_of(server.url) != origin_of(stored.url):
        raise LookupError(
            f"the stored value is for {origin_of(stored.url)} only; send the value again for another address"
        )
    return _Stored(values[name.lower()])


def _not_available(server: RemoteServer, why: str) -> str:
    kind = "MCP server" if isinstance(server, McpServer) else "A2A agent"
    return f"The {kind} {server.name} is not available: {why}"
