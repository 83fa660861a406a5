"""An idempotent webhook receiver that fails on demand and records deliveries.

with sinking() as sink:
    sink.url            # for a webhook destination
    sink.failing = True # a third of the requests get a 500, half of them after taking effect
    sink.down = True    # all requests get a 503
    sink.effects        # payloads by webhook-id
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.serving import served


@dataclass
class Sink:
    """A receiver. `requests` counts all requests, and `repeats` those whose effect already existed."""

    url: str = ""
    failing: bool = False
    down: bool = False
    effects: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: int = 0
    repeats: int = 0
    refused: int = 0
    _up: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI without a framework: tests send tens of thousands of requests here."""
        headers = dict(scope["headers"])
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status = self._answer(headers[b"webhook-id"].decode(), body)
        head = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body"})

    def _answer(self, id: str, body: bytes) -> int:
        self.requests += 1
        if self.down:
            self.refused += 1
            return 503
        self._up += 1
        if not self.failing or self._up % 3:
            self._accept(id, body)
            return 200
        self.refused += 1
        if self._up % 2 == 0:
            self._accept(id, body)
        return 500

    def _accept(self, id: str, body: bytes) -> None:
        if id in self.effects:
            self.repeats += 1
        else:
            self.effects[id] = orjson.loads(body)

    def come_up(self) -> None:
        """End being down. The first two requests succeed."""
        self._up = 0
        self.down = False


@contextmanager
def sinking() -> Iterator[Sink]:
    """Run a sink on a free port until the block ends."""
    sink = Sink()
    with served(sink) as url:
        sink.url = f"{url}/events"
        yield sink
