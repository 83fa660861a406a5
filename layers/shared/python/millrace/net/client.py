"""An `httpx` client for URLs that users name.

It resolves each name once, refuses it if any of its addresses is not public, and connects to the address that
was checked, so that a name whose answer changes in between gains nothing. The certificate is still checked
against the name, and connections are kept per name.

No redirects, no cookies, no proxies or credentials from the environment, no HTTP/2, no Unix sockets.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection

import httpx

from millrace.net import names, transport
from millrace.net.addresses import PORTS, Rules, check_addresses, check_url
from millrace.net.connection import Connection
from millrace.net.transport import Origin, Transport, plain_client

TIMEOUT = 15.0
CONNECTIONS = 50
ADDRESSES_TRIED = 4

Resolve = Callable[[str, int], Awaitable[list[str]]]


def guarded_client(
    *,
    allow_loopback_http: bool = False,
    ports: Collection[int] = PORTS,
    timeout: float = TIMEOUT,
    resolve: Resolve | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Create a client that checks each of its connections. One per process and kind of traffic is enough.

    `ports` are those of public addresses; `allow_loopback_http` also allows this machine, on any port, with
    or without TLS. `timeout` (seconds) applies to each step of a request; `millrace.net.fetch` limits the
    whole. Requests raise `AddressNotAllowed` in addition to httpx's own errors.
    """
    rules = Rules(ports, allow_loopback_http)
    return plain_client(GuardedTransport(rules, resolve or resolve_name, ssl_context), timeout)


async def resolve_name(host: str, port: int) -> list[str]:
    """Return all addresses of a name. Raises `httpx.ConnectError` if it has none."""
    try:
        return await names.resolve_name(host, port)
    except OSError as error:
        raise httpx.ConnectError(f"The name {host} cannot be resolved.") from error


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks the URL, then passes the request to a pool whose connections check the address."""

    def __init__(self, rules: Rules, resolve: Resolve, ssl_context: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._resolve = resolve
        self._context = ssl_context
        self._pool = Transport(self._connect, CONNECTIONS, CONNECTIONS // 2)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
        check_url(url.scheme, url.raw_host.decode("ascii"), port, self._rules)
        return await self._pool.handle_async_request(request)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _connect(self, origin: Origin, seconds: float | None) -> Connection:
        """Connect to a checked address of a name, trying its addresses in order."""
        found = await self._resolve(origin.host, origin.port)
        checked = check_addresses(origin.host, origin.port, found, self._rules, origin.tls)
        addresses = checked[:ADDRESSES_TRIED]
        for address in addresses[:-1]:
            try:
                # The last one has all the remaining time, since the pool limits the whole.
                async with asyncio.timeout(seconds and seconds / len(addresses)):
                    return await transport.dial(address, origin, self._context)
            except (httpx.ConnectError, TimeoutError):
                continue
        return await transport.dial(addresses[-1], origin, self._context)
