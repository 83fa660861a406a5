"""A server of AWS's JSON protocol on loopback with scripted responses, which records requests."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CLOSE = b""
"""Instead of an answer: the connection is closed."""


def answer(body: bytes = b"{}", status: int = 200, headers: str = "") -> bytes:
    """Return an answer. `headers` are complete lines with CRLF."""
    return f"HTTP/1.1 {status} -\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Request:
    """A request. Header names are in lower case, and `connection` numbers the connections."""

    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class JsonServer:
    """A server. `answers` are played in order, and the last one is repeated."""

    answers: list[bytes] = field(default_factory=lambda: [answer()])
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each connection that the server has closed."""
    close_after_each: bool = False
    _connections: int = 0

    def serve(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            number, self._connections = self._connections, self._connections + 1
            threading.Thread(target=self._talk, args=(accepted, number, tls), daemon=True).start()

    def _talk(self, plain: socket.socket, number: int, tls: ssl.SSLContext | None) -> None:
        try:
            with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                while self._answer_one(connection, number):
                    pass
        except OSError:
            plain.close()
        self.closed.release()

    def _answer_one(self, connection: socket.socket, number: int) -> bool:
        with connection.makefile("rb") as file:
            if not file.readline():
                return False
            lines = iter(lambda: file.readline().decode().rstrip("\r\n"), "")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = file.read(int(headers["content-length"]))
        self.requests.append(Request(headers, body, number))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        # Before the answer is there: whoever has read it may change this for the next one.
        goes_on = given != CLOSE and not self.close_after_each
        connection.sendall(given)
        return goes_on


@contextmanager
def aws_json_server(tls: ssl.SSLContext | None = None) -> Iterator[JsonServer]:
    """Serve until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = JsonServer(port=listening.getsockname()[1])
    thread = threading.Thread(target=server.serve, args=(listening, tls), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
