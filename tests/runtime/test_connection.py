"""The HTTP client: what it accepts from a host and what it refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streaming_runtime.connection import MAX_BODY, Connection
from streaming_runtime.errors import RuntimeAPIError

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def host_that_says(*answers: bytes) -> AsyncIterator[Connection]:
    """A connection to a host that gives each answer to one request and then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connection = Connection(f"{host}:{port}")
    async with server:
        yield connection
        connection.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (OK + b"content-length:0\r\n\r\n", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n", b"abcde"),
        (OK + b"\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_each_framing_of_an_answer_is_read(answer: bytes, body: bytes) -> None:
    async with host_that_says(answer) as connection:
        assert (await connection.request("GET", "/")).body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: many\r\n\r\n",
        OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_answer_that_is_not_http_or_too_large_is_refused(answer: bytes) -> None:
    async with host_that_says(answer) as connection:
        with pytest.raises(RuntimeAPIError, match="not valid HTTP"):
            await connection.request("GET", "/")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", OK + b"Content-Length: 9\r\n\r\nhalf"])
async def test_answer_that_breaks_off_is_a_lost_connection(answer: bytes) -> None:
    async with host_that_says(answer) as connection:
        with pytest.raises(ConnectionError):
            await connection.request("GET", "/")


async def test_closed_connection_is_opened_again() -> None:
    closing = OK + b"Connection: close\r\nContent-Length: 1\r\n\r\n"
    async with host_that_says(closing + b"a") as connection:
        assert (await connection.request("GET", "/")).body == b"a"
        assert (await connection.request("GET", "/")).body == b"a"
