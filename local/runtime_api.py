"""The Lambda Runtime API (2018-06-01) for one execution environment, with streamed responses.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; response mode, chunks and error trailers:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming.
One environment takes one invocation at a time. Each has its own port: the protocol does not say who asks.
"""

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import h11

from local.invocation import FunctionFailed, Invocation, Response

_PREFIX = "/2018-06-01/runtime"
_BUFFERED_LIMIT = 6_291_556  # 6 MB and Lambda's extra allowance
_STREAMED_LIMIT = 200 * 1024 * 1024
_ERROR_LIMIT = 256 * 1024
_TRAILER_LIMIT = 4095  # AWS's runtime interface emulator resets the connection from there on
_READ_BYTES = 64 * 1024
_EXIT_SECONDS = 0.5


class _Refused(Exception):
    """A request that the Runtime API answers with an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class RuntimeApi:
    """Serves one environment. `ready` is set once the function asks for work (or has failed to start)."""

    def __init__(self) -> None:
        self.address = ""
        self.ready = asyncio.Event()
        self.init_failure: FunctionFailed | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._waiting: Invocation | None = None
        self._current: Invocation | None = None
        self._work = asyncio.Event()
        self.idle = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def submit(self, invocation: Invocation) -> None:
        """Pass on the next invocation. `idle` is set again when the function asks for another one."""
        self.idle.clear()
        self._waiting = invocation
        self._work.set()

    def close(self, failure: FunctionFailed) -> bool:
        """Fail the invocation of an environment that has ended. Return True if it never received the
        invocation."""
        if self._current:
            self._current.fail(failure)
        if not self.ready.is_set():
            self._init_failed(failure)
        for writer in self._connections:
            writer.close()
        if self._server:
            self._server.close()
        untaken, self._waiting = self._waiting is not None, None
        self._work.set()
        return untaken

    # --- HTTP ----------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        connection = _Connection(reader, writer)
        try:
            while await self._serve_one(connection):
                pass
        except (h11.RemoteProtocolError, ConnectionError) as error:
            self._broken_off(error)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _serve_one(self, connection: "_Connection") -> bool:
        request = await connection.request()
        if request is None:
            return False
        path = request.target.decode().removeprefix(_PREFIX)
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        try:
            await self._answer(request.method.decode(), path, headers, connection)
        except _Refused as error:
            body = json.dumps({"errorType": error.kind, "errorMessage": str(error)}).encode()
            await connection.respond(error.status, body)
            return False
        return connection.next_request()

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], connection: "_Connection"
    ) -> None:
        match (method, *path.strip("/").split("/")):
            case ("GET", "invocation", "next"):
                await self._next(connection)
            case ("POST", "invocation", request_id, "response"):
                await self._response(self._under_way(request_id), headers, connection)
            case ("POST", "invocation", request_id, "error"):
                invocation = self._under_way(request_id)
                invocation.fail(_reported(await connection.body(_ERROR_LIMIT), headers))
                await connection.accept()
            case ("POST", "init" | "restore", "error"):
                self._init_failed(_reported(await connection.body(_ERROR_LIMIT), headers))
                await connection.accept()
            case ("GET", "restore", "next"):
                await connection.respond(200, b"{}")
            case _:
                raise _Refused(404, "InvalidPath", f"The Runtime API has no {method} {path}")

    async def _next(self, connection: "_Connection") -> None:
        await connection.body(0)
        self._leave_current()
        self.ready.set()
        self.idle.set()
        await self._wait_for_work(connection)
        invocation = self._waiting
        if invocation is None:
            raise ConnectionError("the environment is closed")
        self._work.clear()
        self._waiting, self._current = None, invocation
        invocation.start_clock()
        await connection.respond(200, invocation.event, _invocation_headers(invocation))

    async def _wait_for_work(self, connection: "_Connection") -> None:
        """Wait for work. A function that closes the connection must not get an event. Raises
        `ConnectionError`."""
        work, hung_up = asyncio.create_task(self._work.wait()), asyncio.create_task(connection.hung_up())
        try:
            await asyncio.wait({work, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            disconnected = hung_up.done()
        finally:
            work.cancel()
            hung_up.cancel()
            await asyncio.gather(work, hung_up, return_exceptions=True)  # the reader must be free again
        if disconnected:
            raise ConnectionError("the function hung up")

    def _under_way(self, request_id: str) -> Invocation:
        if not self._current or self._current.request_id != request_id:
            raise _Refused(400, "InvalidRequestID", f"Invalid request ID {request_id!r}")
        if self._current.ended.is_set():
            raise _Refused(403, "InvalidStateTransition", "The invocation has ended.")
        return self._current

    async def _response(
        self, invocation: Invocation, headers: Mapping[str, str], connection: "_Connection"
    ) -> None:
        streamed = headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
        invocation.begin(Response(streamed, headers.get("content-type", "")))
        limit = _STREAMED_LIMIT if streamed else _BUFFERED_LIMIT
        async for chunk in connection.chunks():
            await invocation.write(chunk)
            if invocation.bytes_out > limit:
                message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
                invocation.fail(FunctionFailed("Function.ResponseSizeTooLarge", message))
                raise _Refused(413, "RequestEntityTooLarge", message)
        _end(invocation, connection.trailers)
        await connection.accept()

    def _init_failed(self, failure: FunctionFailed) -> None:
        self.init_failure = failure
        self.ready.set()

    def _leave_current(self) -> None:
        if self._current:
            self._current.fail(
                FunctionFailed("Runtime.NoResponse", "The function went on without a response.")
            )
        self._current = None

    def _broken_off(self, error: Exception) -> None:
        """Handle a response without its end. If the process died, its exit is more informative, so wait for
        it."""
        if self._current and self._current.begun:
            failure = FunctionFailed("Runtime.TruncatedResponse", f"The runtime broke off: {error}")
            asyncio.get_running_loop().call_later(_EXIT_SECONDS, self._current.fail, failure)


class _Connection:
    """An HTTP/1.1 connection of the runtime, read no faster than its content is used."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER)
        self.trailers: dict[str, str] = {}

    async def request(self) -> h11.Request | None:
        event = await self._event()
        return event if isinstance(event, h11.Request) else None

    async def chunks(self) -> Any:
        """Yield the request's body, chunk by chunk as it arrives; afterwards `trailers` is set."""
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the connection closed")
            assert isinstance(event, h11.Data)
            yield bytes(event.data)
        self.trailers = {name.decode(): value.decode("latin-1") for name, value in event.headers}

    async def body(self, limit: int) -> bytes:
        content = b""
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit:
                raise _Refused(413, "RequestEntityTooLarge", f"At most {limit} bytes")
        return content

    async def hung_up(self) -> None:
        """Return when the other side closes (or violates the protocol, because it awaits an answer)."""
        with contextlib.suppress(ConnectionError):
            await self._reader.read(1)

    async def accept(self) -> None:
        await self.respond(202, b'{"status":"OK"}\n')

    async def respond(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        head = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        response = h11.Response(status_code=status, headers=list(head.items()))
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._h11.send(event) or b"")
        await self._writer.drain()

    def next_request(self) -> bool:
        """Return whether the connection can be used for another request."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def _event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._h11.send(go_on) or b"")
            self._h11.receive_data(await self._reader.read(_READ_BYTES))
        return event


def _invocation_headers(invocation: Invocation) -> dict[str, str]:
    return {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        "Lambda-Runtime-Trace-Id": trace_id(invocation),
    }


def trace_id(invocation: Invocation) -> str:
    """Return an X-Ray trace header that is not sampled, because no emulator accepts segments."""
    digits = invocation.request_id.replace("-", "")
    return f"Root=1-{int(invocation.deadline):08x}-{digits[:24]};Parent={digits[:16]};Sampled=0"


def _end(invocation: Invocation, trailers: Mapping[str, str]) -> None:
    size = sum(len(name) + len(value) + 4 for name, value in trailers.items())
    kind = trailers.get("lambda-runtime-function-error-type")
    if size > _TRAILER_LIMIT:
        message = f"The trailers have {size} bytes; Lambda takes at most {_TRAILER_LIMIT}."
        invocation.fail(FunctionFailed("Runtime.InvalidTrailers", message))
    elif kind is not None:
        encoded = trailers.get("lambda-runtime-function-error-body", "")
        invocation.fail(_reported(_decoded(encoded), {"lambda-runtime-function-error-type": kind}))
    else:
        invocation.finish()


def _decoded(encoded: str) -> bytes:
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(encoded, validate=True)
    return encoded.encode()


def _reported(body: bytes, headers: Mapping[str, str]) -> FunctionFailed:
    """Return the error that a runtime describes: JSON with errorType, errorMessage and stackTrace."""
    kind = headers.get("lambda-runtime-function-error-type", "Unhandled")
    try:
        report = json.loads(body)
        trace = tuple(str(line) for line in report.get("stackTrace") or ())
        return FunctionFailed(
            str(report.get("errorType") or kind), str(report.get("errorMessage", "")), trace
        )
    except (ValueError, AttributeError):
        return FunctionFailed(kind, body.decode(errors="replace"))
