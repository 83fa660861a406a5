"""Failures, and how they are reported to Lambda.

    StreamingRuntimeError
    ├── SetupError      the function cannot start; carries Lambda's error type
    ├── EventError      an event that is not an HTTP request, or not one that can be answered
    ├── BadRequestError a request that the client has to correct, answered with 400
    ├── ResponseError   the app sends something that is not a response
    ├── ShutdownError   the environment shuts down while a request is in flight
    └── RuntimeAPIError the host violates the protocol of the Runtime API
    ClientDisconnected (OSError) nobody reads the response anymore

Wire format: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html (streaming, error trailers).
"""

import json
import re
import traceback
from base64 import b64encode
from dataclasses import dataclass

ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
# Go's net/http, which the emulator uses, accepts a trailer block of 4,096 bytes, including the blank line,
# and resets the connection above that. The margin is for hosts that count differently.
MAX_TRAILERS = 4_000
MAX_MESSAGE = 8_000
SHORT = 300
MAX_FRAMES = 30
MAX_STACK_LINES = 200
MAX_STACK_LINE = 2_000


class StreamingRuntimeError(Exception):
    """Base of the runtime's own errors; `kind` is Lambda's error type."""

    kind = "Runtime.Error"


class SetupError(StreamingRuntimeError):
    """The function cannot start."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class EventError(StreamingRuntimeError):
    """The event is not an HTTP request that this function answers; `reason` says what it is."""

    kind = "Runtime.UnsupportedEvent"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "this function answers HTTP requests of a function URL, an API Gateway or a load balancer; "
            f"the event is not one that it can answer: {reason}"
        )


class BadRequestError(StreamingRuntimeError):
    """A request that cannot be read. The client gets the message with a 400."""

    kind = "Runtime.BadRequest"


class ResponseError(StreamingRuntimeError):
    """A message of the app that violates ASGI or cannot be expressed in HTTP."""

    kind = "Runtime.InvalidResponse"


class ShutdownError(StreamingRuntimeError):
    """The execution environment was shut down before the app finished."""

    kind = "Runtime.Shutdown"


class RuntimeAPIError(StreamingRuntimeError):
    """The host's Runtime API sent a response that violates its protocol."""

    kind = "Runtime.APIError"


class ClientDisconnected(OSError):
    """The host has ended the response, so `send` has no reader anymore (ASGI 2.4)."""


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """A failure. `kind` is `Function.Name` or `Runtime.Name`, and `stack` is the traceback."""

    kind: str
    name: str
    message: str
    stack: tuple[str, ...]
    request_id: str

    def body(self) -> bytes:
        """Return Lambda's error object as JSON."""
        return self._dump(self.message, self.stack)

    def trailers(self) -> bytes:
        """Return the two error trailers with the final blank line, at most `MAX_TRAILERS` bytes."""
        head = f"{ERROR_TYPE}: {self.kind}\r\n{ERROR_BODY}: ".encode()
        room = (MAX_TRAILERS - len(head) - len(b"\r\n\r\n")) // 4 * 3
        return head + b64encode(self._fitted(room)) + b"\r\n\r\n"

    def _fitted(self, limit: int) -> bytes:
        """Return the JSON within `limit` bytes: long texts are cut first, then outer frames, then more of the
        message."""
        body, message = self.body(), self.message[:SHORT]
        stack = tuple(line[:SHORT] for line in self.stack)
        while len(body) > limit:
            body = self._dump(message, stack)
            if stack:
                stack = stack[1:]
            else:
                message = message[: len(message) // 2]
        return body

    def _dump(self, message: str, stack: tuple[str, ...]) -> bytes:
        error = {
            "errorMessage": message,
            "errorType": self.name,
            "requestId": self.request_id,
            "stackTrace": stack,
        }
        return json.dumps(error, ensure_ascii=False).encode("utf-8", "backslashreplace")


def describe(error: BaseException, request_id: str = "") -> ErrorReport:
    """Return the report of an exception, limited in size. Errors of the app begin with `Function.`."""
    if isinstance(error, StreamingRuntimeError):
        kind = name = error.kind
    else:
        name = _token(type(error).__name__)
        kind = f"Function.{name}"
    return ErrorReport(kind, name, _message(error), _stack(error), request_id)


def _token(name: str) -> str:
    """Return the name in a form that a header can have; class names may have any character and any length."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name)[:100]


def _message(error: BaseException) -> str:
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception:
        return "<exception str() failed>"


def _stack(error: BaseException) -> tuple[str, ...]:
    """Return the traceback with its causes; empty for the runtime's own errors."""
    if isinstance(error, StreamingRuntimeError) and error.__cause__ is None:
        return ()
    lines = traceback.TracebackException.from_exception(error, limit=-MAX_FRAMES).format()
    return tuple(line.rstrip("\n")[:MAX_STACK_LINE] for line in list(lines)[-MAX_STACK_LINES:])
