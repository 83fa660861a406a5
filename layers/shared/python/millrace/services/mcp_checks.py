"""Validation of an agent's MCP servers and A2A agents when the agent is written."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from millrace.domain.agents import A2aAgent, McpServer, RemoteServer
from millrace.errors import InvalidRequest, MillraceError
from millrace.net.addresses import Rules, check_addresses, check_url
from millrace.net.headers import header_problem

# KMS encrypts 4,096 bytes in one call, and a value is sealed as a whole.
LONGEST_VALUE = 4_000
MOST_SECRETS = 20
_CHARACTERS = r"[A-Za-z0-9._~:/@!$&'()*+,;=%\[\]-]"
_URL = re.compile(
    rf"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?(/{_CHARACTERS}*)?(\?({_CHARACTERS}|\?)*)?",
    re.IGNORECASE,
)
_CLIENTS = frozenset({"accept", "accept-encoding", "content-type", "last-event-id"})

Problem = tuple[str, str]


def check_servers(servers: Sequence[McpServer], agents: Sequence[A2aAgent], rules: Rules) -> None:
    """Raise `InvalidRequest` with the path of each invalid field.

    Names must be unique across both lists, because they prefix the names of tools, and secrets are bound to
    them.
    """
    servers_by_path: list[tuple[str, RemoteServer]] = [
        *((f"mcpServers.{n}", server) for n, server in enumerate(servers)),
        *((f"a2aAgents.{n}", agent) for n, agent in enumerate(agents)),
    ]
    names = [server.name for _, server in servers_by_path]
    problems = [
        (f"{location}.{path}", message)
        for n, (location, server) in enumerate(servers_by_path)
        for path, message in _problems(server, rules, names.index(server.name) < n)
    ]
    if problems:
        raise wrong_fields(problems)


def wrong_fields(problems: Sequence[Problem]) -> InvalidRequest:
    """Return the error for these paths and messages."""
    path, message = problems[0]
    fields = [{"path": path, "message": message} for path, message in problems]
    return InvalidRequest(f"{path}: {message}.", fields=fields)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, `https://example.com:443`, or "" for an invalid one."""
    # Matched first: `urlsplit` drops tabs and line breaks, so its parts need not be those of the text.
    parts = urlsplit(url) if _URL.fullmatch(url) else None
    if parts is None or not parts.hostname:
        return ""
    try:
        return f"{parts.scheme}://{parts.hostname}:{_port(parts)}"
    except ValueError:  # a port above 65535
        return ""


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80


def _problems(server: RemoteServer, rules: Rules, is_duplicate: bool) -> Iterator[Problem]:
    if is_duplicate:
        yield "name", f"another server is called {server.name!r}"
    if wrong := url_problem(server.url, rules):
        yield "url", wrong
    if len(server.headers) + ("?" in server.url) > MOST_SECRETS:
        yield "headers", f"a server must not have more than {MOST_SECRETS} headers, its query counted as one"
    seen: set[str] = set()
    for name, value in server.headers.items():
        if wrong := _header_problem(name, value, seen):
            yield f"headers.{name}", wrong
        seen.add(name.lower())


def _header_problem(name: str, value: str, seen: set[str]) -> str | None:
    if name.lower() in seen:
        return "the header is given twice"
    if name.lower() in _CLIENTS or name.lower().startswith(("mcp-", "a2a-")):
        return "the header may not be set: the client sets it"
    if not value.strip() or len(value) > LONGEST_VALUE:
        return f"the value must have 1 to {LONGEST_VALUE:,} bytes"
    return (header_problem(name, value) or "").rstrip(".") or None


def url_problem(url: str, rules: Rules) -> str | None:
    """Return the problem with a URL that a deployment is to call, or None, as far as its text shows."""
    if not origin_of(url):
        return (
            "must be an absolute https URL in ASCII, without a user name, a password or a fragment; "
            "put credentials into headers"
        )
    parts = urlsplit(url)
    try:
        _check_target(parts, rules)
    except MillraceError as error:
        return error.message.rstrip(".")
    return None


def _check_target(parts: SplitResult, rules: Rules) -> None:
    """Refuse what can be checked without DNS. The rest is checked at each connection."""
    host = parts.hostname or ""
    check_url(parts.scheme, host, _port(parts), rules)
    try:
        ip_address(host)
    except ValueError:
        return
    check_addresses(host, _port(parts), [host], rules, parts.scheme == "https")
