"""One invocation: call the app with the request, and answer the host exactly once, whatever happens."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from streaming_runtime import logs
from streaming_runtime.asgi import ASGIApp, Message, Send
from streaming_runtime.context import Context
from streaming_runtime.errors import (
    BadRequestError,
    ClientDisconnected,
    RuntimeAPIError,
    ShutdownError,
    describe,
)
from streaming_runtime.events import http_request, load_event
from streaming_runtime.response import Response
from streaming_runtime.runtime_api import Invocation, RuntimeAPI
from streaming_runtime.sources import Mode, is_streamed

# The time after the deadline in which the host may still accept the rest of a response.
SETTLE_MARGIN_S = 5.0


class Request:
    """The app's `receive`, which returns the whole body once, and then waits until the response is `over`."""

    def __init__(self, body: bytes, over: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._over = over

    async def receive(self) -> Message:
        """ASGI `receive`."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}


class Exchange:
    """The request and response of one invocation."""

    def __init__(
        self, app: ASGIApp, state: dict[str, Any], api: RuntimeAPI, invocation: Invocation, mode: Mode
    ) -> None:
        self._app = app
        self._mode = mode
        self._state = state
        self._api = api
        self._invocation = invocation
        self._context = Context.of(invocation)
        self._response = Response(api, invocation)
        self._call = asyncio.create_task(self._outcome())
        self._cut_short = False

    def cut_short(self) -> None:
        """End the app because the environment shuts down. The response then ends with an error."""
        self._cut_short = True
        self._call.cancel()

    async def serve(self) -> None:
        """Call the app and answer the host. Failures of both are logged, never raised."""
        error = await self._call
        try:
            await self._conclude(error)
        except ClientDisconnected as disconnected:
            self._abort()
            logs.note(f"The response of {self._invocation.request_id} ended early: {disconnected}")
        except (OSError, RuntimeAPIError) as failure:
            logs.note(f"The error of {self._invocation.request_id} could not be reported: {failure}")
        finally:
            # A task that the app has left waiting in `receive` would wait forever.
            self._response.over.set()

    async def _outcome(self) -> BaseException | None:
        """Call the app in its own task and context.

        Return what it raised, or None if the response is complete.
        """
        logs.request_id.set(self._invocation.request_id)
        try:
            await self._run()
        except asyncio.CancelledError as error:
            return ShutdownError("the environment was shut down") if self._cut_short else error
        # Also SystemExit: raised in a task, it would end the loop and with it all other requests.
        except (Exception, SystemExit, BaseExceptionGroup) as error:
            return error
        return self._response.missing()

    async def _run(self) -> None:
        event, source = load_event(self._invocation.event)
        self._response.source, self._response.streamed = source, is_streamed(source, self._mode)
        try:
            scope, body = http_request(event)
        except BadRequestError as error:
            return await refuse(self._response.send, error)
        scope |= {"state": self._state.copy(), "aws.context": self._context}
        self._response.head_only = scope["method"] == "HEAD"
        request = Request(body, self._response.over)
        await self._app(scope, request.receive, self._response.send)

    async def _conclude(self, error: BaseException | None) -> None:
        if error is not None:
            await self._report(error)
        if self._response.stream is not None:
            await self._response.stream.settle(self._settle_time())

    async def _report(self, error: BaseException) -> None:
        """Log and report the error. If the client's disconnect caused it, only log a note."""
        # Frameworks wrap the error that `send` raised in their own errors.
        if disconnected := next(
            (cause for cause in causes(error) if isinstance(cause, ClientDisconnected)), None
        ):
            raise disconnected
        report = describe(error, self._invocation.request_id)
        logs.failure(report)
        await self._response.fail(report)

    def _abort(self) -> None:
        if self._response.stream is not None:
            self._response.stream.abort()

    def _settle_time(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000 + SETTLE_MARGIN_S


async def refuse(send: Send, error: BadRequestError) -> None:
    """Answer a request that cannot be passed to the app."""
    body = json.dumps({"error": {"code": "bad_request", "message": str(error)}}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, innermost last."""
    seen = set[int]()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
