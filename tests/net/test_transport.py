"""Our httpx transport against servers on loopback: reuse, timeouts, and separation of responses."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from millrace.net.connection import MOST_BUFFERED, Connection
from millrace.net.transport import Transport, connect_by_name, plain_client

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Served:
    """A server's address, how many connections it got, and what it has read of each request's head."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.heads: list[bytes] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """Read the next request's head; nothing once the client has left."""
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.asked.set()
            return self.heads[-1]
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
            return b""


Serve = Callable[[Served, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    serve: Serve,
) -> AsyncIterator[Served]:
    """Serve each connection by a coroutine."""
    served = Served()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            await serve(served, reader, writer)
        except ConnectionError:
            served.left.set()
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield served
    finally:
        server.close()


@asynccontextmanager
async def client(most: int = 10, **timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
    transport = Transport(connect_by_name, most, most)
    async with plain_client(transport, httpx.Timeout(20.0, **timeouts)) as made:
        yield made


def always(answer: bytes) -> Serve:
    """Answer every request of a connection so."""

    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await served.head(reader):
            writer.write(answer)
            await writer.drain()

    return serve


async def test_parts_arrive_while_the_server_still_writes() -> None:
    read = asyncio.Event()

    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await read.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with serving(serve) as server, client() as http, http.stream("GET", server.url) as response:
        parts = response.aiter_raw()
        assert await anext(parts) == b"one"
        read.set()
        assert await anext(parts) == b"two"


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", 3),
    ],
)
async def test_connection_is_used_again_only_behind_a_whole_answer(answer: bytes, connections: int) -> None:
    async with serving(always(answer)) as server, client() as http:
        texts = [(await http.get(server.url)).text for _ in range(3)]
    assert set(texts) <= {"ok", ""}
    assert server.connections == connections


async def test_answer_that_nobody_reads_to_its_end_closes_the_connection() -> None:
    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await served.head(reader)

    async with serving(serve) as server, client() as http:
        async with http.stream("GET", server.url) as response:
            assert await anext(response.aiter_raw()) == b"half"
        await server.left.wait()


async def test_connection_that_its_server_has_closed_meanwhile_is_not_used() -> None:
    """Also where the process was frozen then, so that the event loop has not seen it yet."""
    listener = socket.create_server(("127.0.0.1", 0))
    answered, close, closed = threading.Event(), threading.Event(), threading.Event()

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(OK)
                answered.set()
                close.wait()
            closed.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with listener:
        async with client() as http:
            assert (await http.get(url)).text == "ok"
            close.set()
            closed.wait()  # the event loop stands still, and the server's end lies in the socket
            assert (await http.get(url)).text == "ok"
    thread.join()


async def test_server_that_closes_without_an_answer_is_a_protocol_error() -> None:
    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.head(reader)

    async with serving(serve) as server, client() as http:
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await http.get(server.url)


async def test_answer_that_breaks_off_is_a_protocol_error_behind_what_has_come() -> None:
    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")

    async with serving(serve) as server, client() as http, http.stream("GET", server.url) as response:
        parts = response.aiter_raw()
        assert await anext(parts) == b"one"
        with pytest.raises(httpx.RemoteProtocolError, match="in the middle"):
            await anext(parts)


async def test_invalid_http_is_a_protocol_error() -> None:
    async with serving(always(b"220 mail.test ESMTP\r\n\r\n")) as server, client() as http:
        with pytest.raises(httpx.RemoteProtocolError, match="status line"):
            await http.get(server.url)


async def test_silence_ends_with_a_timeout_and_the_connection() -> None:
    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.head(reader)
        await served.head(reader)

    async with serving(serve) as server, client(read=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url)
        await server.left.wait()


async def test_server_that_does_not_read_ends_with_a_timeout() -> None:
    over = asyncio.Event()

    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with serving(serve) as server, client(write=0.05) as http:
        with pytest.raises(httpx.WriteTimeout):
            await http.post(server.url, content=b"x" * 50_000_000)
        over.set()


async def test_requests_wait_while_all_connections_are_in_use() -> None:
    async with serving(always(OK)) as server, client(most=1) as http:
        async with http.stream("GET", server.url) as held:
            with pytest.raises(httpx.PoolTimeout):
                await http.get(server.url, timeout=httpx.Timeout(20.0, pool=0.02))
            given_up = asyncio.create_task(http.get(server.url))
            waiting = asyncio.create_task(http.get(server.url))
            await asyncio.sleep(0)
            given_up.cancel()
            assert not waiting.done()
            await held.aread()
        assert (await waiting).text == "ok"
        assert given_up.cancelled()
        assert (await http.get(server.url)).text == "ok"  # the turn of the one that gave up is not lost
    assert server.connections == 1


@pytest.mark.parametrize("cancelled", [True, False])
async def test_failed_requests_keep_no_connection(cancelled: bool) -> None:
    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await served.head(reader)
        if head.startswith(b"GET /good"):
            writer.write(OK)
        elif not cancelled:
            writer.write(b"nonsense\r\n\r\n")
        await served.head(reader)

    async with serving(serve) as server, client(most=1) as http:
        for _ in range(3):
            server.asked.clear()
            server.left.clear()
            asked = asyncio.create_task(http.get(server.url + "bad"))
            if cancelled:
                await server.asked.wait()
                asked.cancel()
            await asyncio.wait({asked})
            assert asked.cancelled() or isinstance(asked.exception(), httpx.RemoteProtocolError)
            await server.left.wait()
        assert (await http.get(server.url + "good")).text == "ok"


@pytest.mark.parametrize(
    "request_of",
    [
        {"headers": {"X-A": "b\r\nX-Forged: y"}},
        {"headers": {"X A": "b"}},
        {"headers": {"Content-Length": "2"}, "content": b"longer"},
        {"headers": {"Content-Length": "9"}, "content": b"shorter"},
        {"headers": {"Transfer-Encoding": "gzip"}, "content": b"x"},
    ],
)
async def test_request_that_would_not_arrive_as_it_is_raises(request_of: dict[str, object]) -> None:
    async with serving(always(OK)) as server, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.post(server.url, **request_of)  # type: ignore[arg-type]
        await server.left.wait()
        assert server.heads == [] or request_of.get("content") == b"shorter"


async def test_body_that_is_made_as_it_is_sent_arrives_in_chunks() -> None:
    bodies: list[bytes] = []

    async def serve(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"Transfer-Encoding: chunked" in await served.head(reader)
        bodies.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)

    async def content() -> AsyncIterator[bytes]:
        for part in (b"one", b"", b"three"):
            yield part

    async with serving(serve) as server, client() as http:
        assert (await http.post(server.url, content=content())).text == "ok"
    assert bodies == [b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"]


async def test_packed_answers_are_unpacked_by_httpx() -> None:
    packed = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(always(head + packed)) as server, client() as http:
        assert (await http.get(server.url)).text == "hello"


class Wire(asyncio.Transport):
    """A connection's transport that notes whether it is read from."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass


async def test_server_is_not_read_from_while_much_is_unread() -> None:
    one, other = socket.socketpair()
    with one, other:
        connection, wire = Connection(), Wire(one)
        connection.connection_made(wire)
        asked = asyncio.create_task(connection.ask(b"GET", b"/", [], httpx.ByteStream(b""), None, None))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MOST_BUFFERED)
        assert wire.is_reading()
        connection.data_received(b"x")
        assert not wire.is_reading()
        await asked
        assert len(await connection.read(None)) == MOST_BUFFERED + 1
        assert wire.is_reading()
