"""Serves any ASGI app behind a real socket: uvicorn in a thread, stopped at the end of the block."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.contract import Checked

GRACE_SECONDS = 3
"""The most that requests under way at the end of the block may take."""


class PromptServer(uvicorn.Server):
    """A uvicorn server that stops immediately.

    uvicorn's own loop checks for the end ten times a second, and its shutdown begins with a sleep of a tenth
    of a second. Together that is most of the time of hundreds of small tests.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._over: asyncio.Event
        self._loop: asyncio.AbstractEventLoop

    async def serve(self, sockets: Any = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self.ready.set()

    def end(self) -> None:
        """Stop serving; callable from any thread, once `ready` is set."""
        if self.started:
            self._loop.call_soon_threadsafe(self._over.set)

    async def main_loop(self) -> None:
        self._over, self._loop = asyncio.Event(), asyncio.get_running_loop()
        await self.on_tick(0)
        self.ready.set()
        await self._over.wait()

    async def shutdown(self, sockets: Any = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._requests_end()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()

    async def _requests_end(self) -> None:
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks)
        while self.server_state.connections:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.001)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve `app` on a free port of 127.0.0.1 and yield its URL.

    Raises `AssertionError` at the end of the block if an answer deviates from the OpenAPI document.
    """
    checked = Checked(app)
    config = uvicorn.Config(
        checked,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
    )
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    server.ready.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.end()
        thread.join(15)
    assert not checked.wrong, "not in docs/openapi.json:\n" + "\n".join(checked.wrong[:20])
