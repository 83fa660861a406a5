"""One guarded request with limits for everything: the time, the bytes that are read, and those that are
decompressed."""

import asyncio
import zlib

import httpx
from msgspec import Struct

from millrace.net.client import TIMEOUT
from millrace.net.errors import AddressNotAllowed, RequestFailed

BODY_LIMIT = 64 * 1024


class Fetched(Struct, frozen=True):
    """An answer with any status, including 3xx. `body` is its beginning (`truncated` says whether more would
    follow), decompressed if it was gzipped."""

    status: int
    headers: httpx.Headers
    body: bytes
    truncated: bool


async def fetch(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    limit: int = BODY_LIMIT,
    seconds: float = TIMEOUT,
) -> Fetched:
    """Send a request and read at most `limit` bytes of the answer, within `seconds` in total.

    Raises `AddressNotAllowed` for a URL that may not be called, and `RequestFailed` if no answer arrived.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _fetch(client, method, url, headers or {}, content, limit)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise RequestFailed(f"No complete answer arrived within {seconds:g} s.") from error
    except httpx.HTTPError as error:
        raise RequestFailed(f"The request failed: {error or type(error).__name__}") from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise AddressNotAllowed(f"This is not a URL that can be called: {error}") from error


async def _fetch(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | None,
    limit: int,
) -> Fetched:
    # Without compression, as a few KB of gzip may expand to gigabytes. Some servers compress nevertheless.
    asked = {"Accept-Encoding": "identity"} | headers
    async with client.stream(method, url, headers=asked, content=content) as response:
        body, truncated = await _read(response, limit)
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed in ("gzip", "x-gzip", "deflate"):
        body, more = _unpacked(body, limit)
        truncated = truncated or more
    return Fetched(response.status_code, response.headers, body, truncated)


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


def _unpacked(body: bytes, limit: int) -> tuple[bytes, bool]:
    """Return gzip or zlib data decompressed to at most `limit` bytes; any other data as it is."""
    # With 32, zlib detects gzip and zlib data. A raw deflate stream, which some servers send as `deflate`, is
    # neither and stays compressed.
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        text = unpacker.decompress(body, limit)
    except zlib.error:
        return body, False
    return text, bool(unpacker.unconsumed_tail)
