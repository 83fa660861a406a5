"""Reads the card of a remote A2A agent. Imported late, since it imports httpx."""

from typing import Any

import httpx
import orjson
from msgspec.structs import replace

from millrace.agent.tools.a2a import Card, described
from millrace.agent.tools.mcp_server import McpServer as Remote
from millrace.net.errors import RequestFailed
from millrace.net.fetch import Fetched, fetch

CARD_LIMIT = 256 * 1024
CARD_SECONDS = 10.0
WELL_KNOWN = "/.well-known/agent-card.json"
VERSION = {"A2A-Version": "1.0"}
BINDINGS = ("JSONRPC", "HTTP+JSON")


async def read_card(http: httpx.AsyncClient, remote: Remote, known: Card | None) -> Card:
    """Read the card, or return the `known` one if it is still valid. Raises `MillraceError`."""
    headers = dict(remote.headers) | VERSION | {"Accept": "application/json"}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    fetched = await fetch(
        http, "GET", card_url(remote.url), headers=headers, limit=CARD_LIMIT, seconds=CARD_SECONDS
    )
    if fetched.status == 304 and known:
        return known
    return replace(_card(remote, _object(fetched)), etag=fetched.headers.get("ETag", "")[:256])


def card_url(url: str) -> str:
    """Return the address of the card of the agent at `url`, which may already be the card's."""
    base, separator, query = url.partition("?")
    path = base if base.endswith(".json") else base.rstrip("/") + WELL_KNOWN
    return path + separator + query


def _object(fetched: Fetched) -> dict[str, Any]:
    if 300 <= fetched.status < 400:
        raise RequestFailed(
            "The address of its card redirects, and redirects are not followed; use the new address."
        )
    if fetched.status != 200:
        raise RequestFailed(f"It answered {fetched.status} to the request for its card.")
    if fetched.truncated:
        raise RequestFailed(f"Its card exceeds {CARD_LIMIT // 1024} KB.")
    try:
        found = orjson.loads(fetched.body)
    except ValueError as error:
        raise RequestFailed("Its card is not JSON.") from error
    if not isinstance(found, dict):
        raise RequestFailed("Its card is not a JSON object.")
    return found


def _card(remote: Remote, found: dict[str, Any]) -> Card:
    try:
        interface = next((one for one in found["supportedInterfaces"] if _is_usable(remote, one)), None)
        if interface is None:
            raise RequestFailed(
                "Its card has no A2A 1.0 interface over JSONRPC or HTTP+JSON at the origin of the card."
            )
        streaming = found.get("capabilities", {}).get("streaming") is True
        named = str(interface.get("tenant", ""))
        return Card(
            described(remote, found), interface["url"], interface["protocolBinding"], named, streaming
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise RequestFailed("Its card is not a valid A2A 1.0 card.") from error


def _is_usable(remote: Remote, interface: dict[str, Any]) -> bool:
    # The headers were configured for the agent's own origin and must not reach another one.
    return (
        interface["protocolBinding"] in BINDINGS
        and str(interface.get("protocolVersion", "")).partition(".")[0] == "1"
        and _origin(interface["url"]) == _origin(remote.url)
    )


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return None if parts.userinfo else (parts.scheme, parts.host, parts.port)
