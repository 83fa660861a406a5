"""An `httpx` client for URLs that users name. It resolves each name once, refuses it if any of its addresses
is not public, and connects to the very address that was checked, so that a name whose answer changes between
check and connection gains nothing. The certificate is still checked against the name, and connections are
kept per name.

No redirects, no cookies, no proxies or credentials from the environment, no HTTP/2, no Unix sockets.
"""

import asyncio
import select
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from millrace.net import names
from millrace.net.addresses import PORTS, Rules, check_addresses, check_url
from millrace.net.errors import AddressNotAllowed

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
    """A client whose every connection is checked; one per process and kind of traffic is enough.

    `ports` are those of public addresses; `allow_loopback_http` also lets it call this machine, on any port,
    with or without TLS. `timeout` (seconds) is for each step of a request; `millrace.net.fetch` bounds the
    whole. Its requests raise `AddressNotAllowed` beside httpx's own errors.
    """
    transport = GuardedTransport(Rules(ports, allow_loopback_http), resolve or resolve_name, ssl_context)
    # The client serves many organizations: a cookie set for one must not be sent for another.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(
        transport=transport, timeout=timeout, cookies=no_cookies, follow_redirects=False, trust_env=False
    )


async def resolve_name(host: str, port: int) -> list[str]:
    """All addresses of a name. Raises `httpx.ConnectError` if it has none."""
    try:
        return await names.resolve_name(host, port)
    except OSError as error:
        raise httpx.ConnectError(f"The name {host} cannot be resolved.") from error


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks the URL, then leaves the request to a pool whose connections check the address.

    One pool per scheme: a connection is made without knowing of TLS, and plain HTTP has stricter rules.
    """

    def __init__(self, rules: Rules, resolve: Resolve, ssl_context: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        context = ssl_context or _public_authorities()
        self._pools = {
            scheme: _PinnedTransport(_PinnedBackend(rules, resolve, scheme == "https"), context)
            for scheme in ("https", "http")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # An "sni_hostname" of the caller would have the certificate checked against another name.
        request.extensions.pop("sni_hostname", None)
        url = request.url
        port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
        check_url(url.scheme, url.raw_host.decode("ascii"), port, self._rules)
        return await self._pools[url.scheme].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


@cache
def _public_authorities() -> ssl.SSLContext:
    """Loading the authorities' certificates takes tens of milliseconds: once per process."""
    return httpx.create_ssl_context(trust_env=False)


class _PinnedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool with our backend, which its constructor does not let one choose."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, ssl_context: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS // 2,
            keepalive_expiry=5.0,
            network_backend=backend,
        )


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to a checked address of a name, trying its addresses one after the other."""

    def __init__(self, rules: Rules, resolve: Resolve, tls: bool) -> None:
        self._rules, self._resolve, self._tls = rules, resolve, tls
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
                addresses = check_addresses(host, port, found, self._rules, self._tls)
                return await self._connect_first(addresses[:ADDRESSES_TRIED], port, timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} could not be reached in {timeout} s.") from error

    async def _connect_first(
        self, addresses: list[str], port: int, within: float | None
    ) -> httpcore.AsyncNetworkStream:
        share = within and within / len(addresses)
        for address in addresses[:-1]:
            try:
                return _Stream(await self._plain.connect_tcp(address, port, timeout=share))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        # The last one has all the time that is left: `connect_tcp` bounds the whole.
        return _Stream(await self._plain.connect_tcp(addresses[-1], port))

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressNotAllowed("Unix sockets may not be called.")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that quickly tells whether it was closed: the pool asks every idle one before each
    request, and anyio's own way took a fifth of a delivery's CPU."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        # poll, since select() refuses file descriptors from 1,024 on.
        self._readable = select.poll()
        self._readable.register(stream.get_extra_info("socket"), select.POLLIN)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._readable.poll(0))
        return self._stream.get_extra_info(info)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
