"""An httpx transport of our own: HTTP/1.1 with connections that are kept per server.

httpx's own transport (httpcore, h11, anyio) takes several times as much CPU for each chunk of a streamed
answer and for each request. Everything above the transport is httpx's. No redirects, proxies, HTTP/2 or Unix
sockets.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from http.cookiejar import CookieJar
from typing import Any

import httpx
from msgspec import Struct

from millrace.net.connection import Connection
from millrace.net.trust import public_authorities, trusting

KEPT_SECONDS = 5.0
"""The seconds for which an idle connection is kept; most servers close theirs later."""
BODY = "body"
"""The extension of a response that contains its `Body`."""


class Origin(Struct, frozen=True):
    """A server: scheme, host and port."""

    tls: bool
    host: str
    port: int


Connect = Callable[[Origin, float | None], Awaitable[Connection]]
"""Connects to a server within this many seconds, which the caller chooses. Raises `httpx.ConnectError`."""


async def dial(
    address: str, origin: Origin, context: ssl.SSLContext | None = None, *, race: float | None = None
) -> Connection:
    """Connect to an address of a server, whose certificate is checked against its name. `race` is the head
    start in seconds that one address of a name has over the next. Raises `httpx.ConnectError`."""
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection,
            address,
            origin.port,
            ssl=(context or trusting(public_authorities())) if origin.tls else None,
            server_hostname=origin.host if origin.tls else None,
            happy_eyeballs_delay=race,
        )
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error) or type(error).__name__) from error
    return connection


async def connect_by_name(origin: Origin, seconds: float | None) -> Connection:
    """Connect to a server that the operator has configured."""
    return await dial(origin.host, origin, race=0.25)


class NoCookies(CookieJar):
    """Accepts no cookies: clients serve many organizations, and a cookie of one must not be sent for
    another."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """See `CookieJar`. Does not even look for cookies, which would parse the headers again."""


def plain_client(transport: httpx.AsyncBaseTransport, timeout: httpx.Timeout | float) -> httpx.AsyncClient:
    """Return a client over a transport without cookies, redirects, proxies and credentials from the
    environment."""
    return httpx.AsyncClient(
        transport=transport, timeout=timeout, cookies=NoCookies(), follow_redirects=False, trust_env=False
    )


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections: at most `max_in_use` in use, and `max_idle` that are kept. If all are in use,
    requests wait for their turn."""

    def __init__(self, connect: Connect, max_in_use: int, max_idle: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(max_in_use)
        self._max_idle = max_idle
        self._idle: dict[Origin, list[Connection]] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. The response's `Body` is also its extension `BODY`."""
        times = request.extensions.get("timeout", {})
        origin = _origin_of(request.url)
        await self._acquire(times.get("pool"))
        try:
            connection = self._idle_connection(origin) or await self._new_connection(
                origin, times.get("connect")
            )
        except BaseException:
            self._free.release()
            raise
        body = Body(self, origin, connection, times.get("read"))
        try:
            head = await connection.ask(
                request.method.encode(),
                request.url.raw_path,
                request.headers.raw,
                _parts_of(request),
                times.get("write"),
                times.get("read"),
            )
        except BaseException:
            await body.aclose()
            raise
        extensions = {"http_version": b"HTTP/" + head.version, "reason_phrase": head.reason, BODY: body}
        return httpx.Response(head.status, headers=head.headers, stream=body, extensions=extensions)

    async def aclose(self) -> None:
        """Close the idle connections; those in use are closed when their answers have been read."""
        self._closed = True
        for kept in self._idle.values():
            for connection in kept:
                connection.abort()
        self._idle.clear()

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end; close any other one."""
        self._free.release()
        if self._closed or not connection.reusable or not self._room():
            connection.abort()
        else:
            connection.rest()
            self._idle.setdefault(origin, []).append(connection)

    def _room(self) -> bool:
        if sum(map(len, self._idle.values())) < self._max_idle:
            return True
        self._drop_old()
        return sum(map(len, self._idle.values())) < self._max_idle

    def _drop_old(self) -> None:
        """Close idle connections that will not be used any more."""
        for origin, kept in list(self._idle.items()):
            good = [one for one in kept if _is_good(one)]
            for one in kept:
                if one not in good:
                    one.abort()
            if good:
                self._idle[origin] = good
            else:
                del self._idle[origin]

    async def _acquire(self, seconds: float | None) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None

    def _idle_connection(self, origin: Origin) -> Connection | None:
        kept = self._idle.get(origin, [])
        while kept:
            connection = kept.pop()  # the one that was used last
            if not kept:
                del self._idle[origin]
            if _is_good(connection):
                return connection
            connection.abort()
        return None

    async def _new_connection(self, origin: Origin, seconds: float | None) -> Connection:
        try:
            async with asyncio.timeout(seconds):
                return await self._connect(origin, seconds)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{origin.host} could not be reached in {seconds} s") from error


class Body(httpx.AsyncByteStream):
    """The body of an answer as it arrives: everything that is there is one part, however the server has split
    it."""

    def __init__(
        self, transport: Transport, origin: Origin, connection: Connection, seconds: float | None
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._connection = connection
        self._read_seconds = seconds
        self._open = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self._connection.read(self._read_seconds) if self._open else b""
        if not part:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        """Give the connection back. If its answer was not read to the end, it is closed."""
        if self._open:
            self._open = False
            self._transport.give_back(self._origin, self._connection)


def body_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body of an answer as it was sent, without httpx's layers if it came through a
    `Transport`."""
    body: AsyncIterator[bytes] | None = response.extensions.get(BODY)
    return response.aiter_raw() if body is None else body


def _is_good(connection: Connection) -> bool:
    idle = asyncio.get_running_loop().time() - connection.idle_since
    return idle < KEPT_SECONDS and connection.usable


def _origin_of(url: httpx.URL) -> Origin:
    tls = url.scheme == "https"
    if not tls and url.scheme != "http":
        raise httpx.UnsupportedProtocol(f"not a URL of http or https: {url.scheme!r}")
    port = (443 if tls else 80) if url.port is None else url.port
    return Origin(tls, url.raw_host.decode("ascii"), port)


def _parts_of(request: httpx.Request) -> httpx.AsyncByteStream:
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise httpx.LocalProtocolError("the body cannot be read without blocking")
    return request.stream
