"""HTTP/1.1 connections for threads: a request is sent, its answer is read completely, the connection is
kept."""

import select
import socket

from msgspec import Struct, field

from millrace.net.http1 import AnswerReader, Malformed
from millrace.net.trust import trusting

_FIRST_BYTES, _READ_BYTES = 16 * 1024, 256 * 1024
"""`recv` allocates its buffer before anything arrives: a thread that waits for an answer asks for little."""


class Server(Struct, frozen=True):
    """An address to connect to. `authorities` is a file of the trusted certificates; empty for a server
    without TLS."""

    host: str
    port: int
    authorities: str = ""


class Answer(Struct, frozen=True):
    """An answer. The names in `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connections(Struct):
    """Connections to one server, as many as there are threads that send requests at the same time. The
    timeouts are in seconds; `read_timeout` is for each read and write."""

    server: Server
    connect_timeout: float
    read_timeout: float
    _idle: list[socket.socket] = field(default_factory=list)
    _closed: bool = False

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read its answer. Raises `OSError` (a `TimeoutError` if none arrives) if it is
        not known whether the request was executed."""
        connection = self._idle_connection() or self._connect()
        try:
            connection.sendall(request)
            answer, reusable = _read(connection)
        except BaseException:
            connection.close()
            raise
        if reusable and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the idle connections now, and each of the others after its answer."""
        self._closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close the idle connections: after an error they are probably dead as well."""
        while connection := self._pop_idle():
            connection.close()

    def __del__(self) -> None:
        # A client that nobody has closed: its sockets would raise a warning although they were idle.
        self.drop_idle()

    def _idle_connection(self) -> socket.socket | None:
        while connection := self._pop_idle():
            # A readable one was closed by the server, perhaps while this process was frozen.
            if not _readable(connection):
                return connection
            connection.close()
        return None

    def _pop_idle(self) -> socket.socket | None:
        try:
            return self._idle.pop()  # atomic: no two threads get the same one
        except IndexError:
            return None

    def _connect(self) -> socket.socket:
        server = self.server
        connection = socket.create_connection((server.host, server.port), self.connect_timeout)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if server.authorities:
                context = trusting(server.authorities)
                connection = context.wrap_socket(connection, server_hostname=server.host)
            connection.settimeout(self.read_timeout)
        except BaseException:
            connection.close()
            raise
        return connection


def _read(connection: socket.socket) -> tuple[Answer, bool]:
    """Return the answer, and whether its connection may serve another request."""
    reader, parts, size = AnswerReader(b"POST"), list[bytes](), _FIRST_BYTES
    try:
        while not reader.done:
            if data := connection.recv(size):
                size = _READ_BYTES
                parts += reader.feed(data)
                if reader.wrong is not None:
                    raise reader.wrong
            else:
                reader.end()
    except Malformed as error:
        raise ConnectionError(str(error)) from error
    assert reader.head is not None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reader.head.headers}
    return Answer(reader.head.status, headers, b"".join(parts)), reader.reusable


def _readable(connection: socket.socket) -> bool:
    poll = select.poll()  # select() refuses file descriptors from 1,024 on
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
