"""A webhook receiver that does not answer until it is told to.

with holding_receiver() as holding:
    holding.url
    holding.waiting    # requests that are held now
    holding.release()  # answers them, and all that follow
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.serving import served


@dataclass
class Holding:
    """A receiver that does not answer until it is told to, and counts the waiting requests."""

    url: str = ""
    waiting: int = 0
    most: int = 0
    answered: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def release(self) -> None:
        """Answer all requests, now and from now on."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._open.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (await receive()).get("more_body"):
            pass
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        self._loop = asyncio.get_running_loop()
        await self._open.wait()
        self.waiting -= 1
        self.answered += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


@contextmanager
def holding_receiver() -> Iterator[Holding]:
    receiver = Holding()
    with served(receiver) as url:
        receiver.url = url
        try:
            yield receiver
        finally:
            receiver.release()
