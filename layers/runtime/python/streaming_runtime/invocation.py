"""One invocation: the app is called with its request, and whatever happens is answered exactly once."""

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

# How long after the deadline the host may still take the rest of a response.
SETTLE_MARGIN_S = 5.0


class Request:
    """The app's `receive`: the whole body once, then nothing until the response is `over`."""

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
    """Request and response of one invocation."""

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
        """End the app, since the environment shuts down; the response then ends with an error."""
        self._cut_short = True
        self._call.cancel()

    async def serve(self) -> None:
        """Call the app and answer the host. Failures of either are logged, never raised."""
        error = await self._call
        try:
            await self._conclude(error)
        except ClientDisconnected as disconnected:
            self._abort()
            logs.note(f"The response of {self._invocation.request_id} ended early: {disconnected}")
        except (OSError, RuntimeAPIError) as failure:
            logs.note(f"The error of {self._invocation.request_id} could not be reported: {failure}")
        finally:
            # A task that the app has left behind in `receive` would wait for ever.
            self._response.over.set()

    async def _outcome(self) -> BaseException | None:
        """Call the app in a task (and context) of its own; what it raised, or None for a whole response."""
        logs.request_id.set(self._invocation.request_id)
        try:
            await self._run()
        except asyncio.CancelledError as error:
            return ShutdownError("the environment was shut down") if self._cut_short else error
        # SystemExit as well: raised in a task it would end the loop, and other requests with it.
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
        """Log the error and report it; one that follows from the client's leaving is only noted."""
        # Frameworks wrap the error that `send` has raised in errors of their own.
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
    """Answer a request that the app cannot be given."""
    body = json.dumps({"error": {"code": "bad_request", "message": str(error)}}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it followed from, innermost last."""
    seen = set[int]()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
