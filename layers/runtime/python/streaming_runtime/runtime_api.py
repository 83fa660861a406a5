"""The Lambda Runtime API (version 2018-06-01): next invocation, streamed response, errors, restore.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, and for the streamed response
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from streaming_runtime.connection import Answer, Connection
from streaming_runtime.errors import ERROR_BODY, ERROR_TYPE, ClientDisconnected, ErrorReport, RuntimeAPIError

VERSION = "/2018-06-01/runtime"
STREAMING = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Transfer-Encoding": "chunked",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Trailer": f"{ERROR_TYPE}, {ERROR_BODY}",
}
# A larger body message is written in pieces, so that it is never copied as a whole.
MAX_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Invocation:
    """A response to `next`: the event as JSON bytes, and its headers."""

    request_id: str
    deadline_ms: int
    function_arn: str
    trace_id: str | None
    tenant_id: str | None
    invocation_id: str | None
    event: bytes

    @property
    def echo(self) -> dict[str, str]:
        """Return the header that response and error must repeat, if the host sent it."""
        return {"Lambda-Runtime-Invocation-Id": self.invocation_id} if self.invocation_id else {}


def parse_invocation(answer: Answer) -> Invocation:
    """Return the invocation in a response to `next`. Raises RuntimeAPIError."""
    headers = answer.headers
    try:
        return Invocation(
            request_id=headers["lambda-runtime-aws-request-id"],
            deadline_ms=int(headers["lambda-runtime-deadline-ms"]),
            function_arn=headers.get("lambda-runtime-invoked-function-arn", ""),
            trace_id=headers.get("lambda-runtime-trace-id"),
            tenant_id=headers.get("lambda-runtime-aws-tenant-id"),
            invocation_id=headers.get("lambda-runtime-invocation-id"),
            event=answer.body,
        )
    except (KeyError, ValueError) as error:
        raise RuntimeAPIError(f"the answer to `next` lacks a usable header: {error}") from error


class RuntimeAPI:
    """A client of the Runtime API at `address` (host:port), for one task at a time."""

    def __init__(self, address: str) -> None:
        self._connection = Connection(address)

    def close(self) -> None:
        self._connection.close()

    async def next(self) -> Invocation:
        """Wait for the next invocation, however long it takes. Raises OSError or RuntimeAPIError."""
        return parse_invocation(await self._expect(200, "GET", "/invocation/next"))

    async def respond(self, invocation: Invocation, prelude: bytes, over: asyncio.Event) -> "ResponseStream":
        """Begin the streamed response. `prelude` is sent together with the first bytes of the body.

        `over` is set as soon as the host has answered or closed the connection.
        """
        _, writer = await self._connection.open()
        head = self._connection.head(
            "POST", VERSION + _path(invocation, "response"), STREAMING | invocation.echo
        )
        pending = b"%b\r\n%x\r\n%b\r\n" % (head, len(prelude), prelude)
        return ResponseStream(self._connection, writer, pending, over)

    async def respond_whole(self, invocation: Invocation, result: bytes) -> None:
        """Post a buffered result, which is JSON. Raises ClientDisconnected if the host does not accept it."""
        headers = {"Content-Type": "application/json", **invocation.echo}
        try:
            await self._expect(202, "POST", _path(invocation, "response"), headers, result)
        except (OSError, RuntimeAPIError) as error:
            raise ClientDisconnected(f"the host did not take the response: {error}") from error

    async def fail(self, invocation: Invocation, error: ErrorReport) -> None:
        """Report an invocation that failed before the first byte of its response."""
        await self._report(_path(invocation, "error"), error, invocation.echo)

    async def fail_init(self, error: ErrorReport) -> None:
        """Report that the function cannot start."""
        await self._report("/init/error", error)

    async def restore(self) -> None:
        """Wait for SnapStart: the snapshot is taken in the meantime, and this returns in a restored
        environment."""
        await self._expect(200, "GET", "/restore/next")
        self.close()

    async def fail_restore(self, error: ErrorReport) -> None:
        """Report that an after-restore hook failed."""
        await self._report("/restore/error", error)

    async def _report(self, path: str, error: ErrorReport, echo: Mapping[str, str] | None = None) -> None:
        headers = {"Content-Type": "application/json", ERROR_TYPE: error.kind, **(echo or {})}
        await self._expect(202, "POST", path, headers, error.body())

    async def _expect(
        self, status: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        answer = await self._connection.request(method, VERSION + path, headers, body)
        if answer.status != status:
            raise RuntimeAPIError(f"{method} {path} was answered {describe_answer(answer)}, not {status}")
        return answer


def _path(invocation: Invocation, end: str) -> str:
    return f"/invocation/{quote(invocation.request_id, safe='')}/{end}"


class ResponseStream:
    """The chunked body of a response in progress.

    The host's answer is awaited from the start, because an early answer (or a closed connection) means that
    nobody reads the rest.
    """

    def __init__(
        self, connection: Connection, writer: asyncio.StreamWriter, pending: bytes, over: asyncio.Event
    ) -> None:
        self._connection = connection
        self._writer = writer
        self._transport = writer.transport
        self._pending = pending
        self._ended = self._failed = False
        self._over = over
        self._answer = asyncio.create_task(connection.answer())
        self._answer.add_done_callback(self._answered)

    async def write(self, data: bytes) -> None:
        """Send `data` at once, as one chunk (several if it is large), and wait while the host reads more
        slowly.

        Raises ClientDisconnected if the host has stopped reading.
        """
        if len(data) > MAX_CHUNK:
            for start in range(0, len(data), MAX_CHUNK):
                await self.write(data[start : start + MAX_CHUNK])
            return
        self._check()
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if self._pending:
            chunk, self._pending = self._pending + chunk, b""
        self._writer.write(chunk)
        # As long as the socket accepts everything, there is nothing to wait for. This is called for every
        # token.
        if self._transport.get_write_buffer_size():
            await self._drain()

    async def end(self, error: ErrorReport | None = None) -> None:
        """Mark the end of the body, followed by `error` as trailers. Raises ClientDisconnected."""
        self._check()
        self._ended, self._failed = True, error is not None
        self._writer.write(self._pending + b"0\r\n" + (error.trailers() if error else b"\r\n"))
        self._pending = b""
        await self._drain()

    async def settle(self, seconds: float) -> None:
        """Wait at most `seconds` for the host's answer.

        Raises ClientDisconnected if the host closed the connection, did not answer in time, or refused the
        response.
        """
        try:
            async with asyncio.timeout(seconds):
                answer = await self._answer
        except (OSError, RuntimeAPIError, TimeoutError) as error:
            self.abort()
            raise ClientDisconnected(
                f"the host did not take the response: {str(error) or 'no answer in time'}"
            ) from error
        if answer.status != 202 or not self._ended:
            self.abort()
            raise ClientDisconnected(f"the host refused the response: {describe_answer(answer)}")
        if self._failed:
            self._connection.close()

    def abort(self) -> None:
        """Close the connection, so that a body without its end is never taken for a complete one."""
        self._answer.cancel()
        self._connection.close()

    def _answered(self, answer: asyncio.Task[Answer]) -> None:
        if not answer.cancelled():
            # This marks the exception as retrieved, because `settle` is not always reached.
            answer.exception()
        self._over.set()

    def _check(self) -> None:
        # If the app never awaits, the task of the answer cannot run, but a failed write closes the transport.
        if self._over.is_set() or self._transport.is_closing():
            raise ClientDisconnected("the host has ended the response")

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise ClientDisconnected("the host has ended the response") from error


def describe_answer(answer: Answer) -> str:
    """Return the status and the beginning of the body, for messages."""
    return f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}".rstrip()
