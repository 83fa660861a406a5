"""A small HTTP/1.1 client connection on asyncio streams, with keep-alive and limits.

The Runtime API is plain HTTP on a local address, so there is no TLS, no proxy and no redirect.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from streaming_runtime.errors import RuntimeAPIError

MAX_HEAD = 64 * 1024
# Lambda's largest event is 6 MB.
MAX_BODY = 16 * 1024 * 1024
NO_BODY = b"Content-Length: 0\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A connection to `address` (host:port), which is opened when needed and reopened if the host has closed
    it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._head = f"Host: {address}\r\nUser-Agent: millrace-streaming-runtime\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the streams of a connection that seems usable. Raises OSError."""
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=MAX_HEAD)
        return self._reader, self._writer

    def close(self) -> None:
        """Close the connection, and drop unsent data."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """Return the bytes of a request head, without the blank line at its end."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{self._head}{lines}".encode("latin-1")

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send a request with a complete body.

        Closes the connection and raises OSError or RuntimeAPIError if it fails.
        """
        length = f"Content-Length: {len(body)}\r\n\r\n".encode() if method == "POST" else b"\r\n"
        try:
            _, writer = await self.open()
            writer.write(self.head(method, path, headers or {}) + length + body)
            await writer.drain()
            return await self.answer()
        except BaseException:
            # A response that is still outstanding would be taken for that of the next request.
            self.close()
            raise

    async def answer(self) -> Answer:
        """Read the response to the current request.

        Raises ConnectionError if the host closes the connection.
        """
        if self._reader is None:
            raise ConnectionError("no request is under way")
        try:
            return await self._read(self._reader)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(
                "the host closed the connection before its answer was complete"
            ) from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise RuntimeAPIError(f"the host's answer is not valid HTTP: {error}") from error

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        status, headers = 100, dict[str, str]()
        while status < 200:
            status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
        body, keep = await read_body(reader, status, headers)
        if not keep or "close" in headers.get("connection", "").lower():
            self.close()
        return Answer(status, headers, body)


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and headers (names in lower case) of a response head. Raises ValueError."""
    status_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    version, status, *_ = status_line.split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"unknown version {version[:20]!r}")
    fields = (line.partition(":") for line in lines)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in fields}


async def read_body(
    reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]
) -> tuple[bytes, bool]:
    """Return the body, and whether its end was marked, so that the connection can be reused."""
    if status in (204, 304):
        return b"", True
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _collect(_chunks(reader)), True
    if "content-length" in headers:
        length = int(headers["content-length"])
        if not 0 <= length <= MAX_BODY:
            raise ValueError(f"a body of {length} bytes, {MAX_BODY} are allowed")
        return await reader.readexactly(length), True
    return await _collect(_until_eof(reader)), False


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if not 0 < size <= MAX_BODY:
            raise ValueError(f"a chunk of {size} bytes, {MAX_BODY} are allowed")
        yield (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass


async def _until_eof(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(MAX_HEAD):
        yield data


async def _collect(parts: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > MAX_BODY:
            raise ValueError(f"a body above {MAX_BODY} bytes")
    return bytes(body)
