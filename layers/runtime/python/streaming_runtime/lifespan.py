"""ASGI lifespan: startup runs in Lambda's init phase, shutdown on SIGTERM."""

import asyncio
from typing import Any

from streaming_runtime import logs
from streaming_runtime.asgi import ASGIApp, Message
from streaming_runtime.errors import SetupError, describe


class Lifespan:
    """One run of the app's lifespan. The app passes `state` on to each request's `scope["state"]`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = self._started = self._explained = False
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        """Wait for the app's startup, if it supports lifespan. Raises SetupError."""
        self._task = asyncio.create_task(self._run())
        reply = await self._ask("lifespan.startup")
        if reply and reply["type"] == "lifespan.startup.failed":
            raise SetupError("Function.StartupFailed", reply.get("message") or "the app's startup failed")
        self._started = reply is not None

    async def shutdown(self) -> None:
        """Wait for the app's shutdown. Raises SetupError if it failed."""
        reply = await self._ask("lifespan.shutdown")
        if reply and reply["type"] == "lifespan.shutdown.failed":
            raise SetupError("Function.ShutdownFailed", reply.get("message") or "the app's shutdown failed")

    async def _ask(self, kind: str) -> Message | None:
        """Send a message and return the reply; None if the app's lifespan has ended instead."""
        if self._task is None or self._task.done():
            return None
        self._to_app.put_nowait({"type": kind})
        reply = asyncio.create_task(self._from_app.get())
        await asyncio.wait([reply, self._task], return_when=asyncio.FIRST_COMPLETED)
        # Both may have ended: the reply of an app that then returned still counts.
        if not self._from_app.empty() or reply.done():
            return await reply
        reply.cancel()
        return None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit, BaseExceptionGroup) as error:
            self._log(error)

    async def _receive(self) -> Message:
        message = await self._to_app.get()
        self._asked = True
        return message

    async def _send(self, message: Message) -> None:
        # Frameworks send the traceback as the message and then re-raise the error.
        self._explained = message["type"].endswith(".failed") and bool(message.get("message"))
        await self._from_app.put(message)

    def _log(self, error: BaseException) -> None:
        """Write the traceback.

        The app continues, as ASGI requires, since apps without lifespan raise on its scope.
        """
        report = describe(error)
        if self._asked and not self._explained:
            logs.failure(report)
        elif not self._asked:
            trace = "\r".join("\n".join(report.stack).splitlines())
            logs.note(
                f"The app raised on the lifespan scope: it has no lifespan, or that is broken.\r{trace}"
            )
