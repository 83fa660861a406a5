"""An MCP server as an agent's settings name it, and a tool as the server lists it."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import orjson
from msgspec import Struct, field

from millrace.agent.tools.tool import Repeat
from millrace.errors import InvalidRequest

LISTED_LIMIT = 1_000
"""The maximum number of tools that are read from one server."""
# Replacing shorter values would mangle ordinary words.
SHORTEST_SECRET = 6
# Without `__`, which separates the server's name from the tool's in the names that models see.
_SERVER_NAME = re.compile(r"[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*\Z")


class McpServer(Struct, frozen=True):
    """A server as an agent's settings name it. `url` and `headers` may contain secrets and never appear in
    any text. `tools` are the names of the only ones that the agent wants; None for all. `scope` is what users
    need.

    Raises `InvalidRequest` for a name that tool names cannot begin with.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] | None = None
    scope: str = ""

    def __post_init__(self) -> None:
        if len(self.name) > 24 or not _SERVER_NAME.match(self.name):
            raise InvalidRequest(
                "A server's name must have 1 to 24 letters, digits, - or single _ between them, not "
                f"{self.name[:48]!r}."
            )

    def __repr__(self) -> str:
        return f"McpServer(name={self.name!r}, tools={self.tools!r}, scope={self.scope!r})"

    def identity(self) -> str:
        """Return a hash that is equal for equal URLs, headers and wanted tools, and does not reveal them."""
        parts = [self.url, sorted(self.headers.items()), self.tools]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()

    def redact(self, text: str) -> str:
        """Return the text without the server's secrets: those in its headers and in the query of its URL."""
        for name, secret in self._secrets():
            text = text.replace(secret, f"[secret {name}]")
        return text

    def _secrets(self) -> list[tuple[str, str]]:
        """Return each secret with the name to show instead; the longest first, since one may be part of
        another."""
        values = [(name, part) for name, value in self.headers.items() for part in (value, *value.split())]
        query = urlsplit(self.url).query
        values += [("query", part) for part in (query, *(value for _, value in parse_qsl(query)))]
        # A secret may come back percent-encoded in a URL, or escaped in JSON.
        forms = {
            form: name
            for name, value in values
            if len(value) >= SHORTEST_SECRET
            for form in (value, quote(value, safe=""), orjson.dumps(value).decode()[1:-1])
        }
        return sorted(((name, form) for form, name in forms.items()), key=lambda one: -len(one[1]))


class ListedTool(Struct, frozen=True):
    """A tool as its server lists it. `repeat` follows the server's hints: a read-only or idempotent tool may
    be called again."""

    name: str
    description: str
    parameters: dict[str, Any]
    repeat: Repeat = "never"
