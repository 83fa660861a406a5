"""API activity: one event on the bus for each finished call of an authenticated caller.

An event has the source `millrace.api_event` and the form `{id, time, organization, userId, method, path,
route, status, durationMs, requestId}`, with `hops` if a delivery caused the call. It never has a query, which
may contain a ticket, a header or a body. Unauthenticated calls cause no event, so strangers cannot fill an
organization's pipelines.

Pushing data (`/process`, `/batch`, `/hooks`) causes no event either. Pipelines do that to each other, so if a
pipeline that receives the events pushed to another one, the events would circulate endlessly. Pushes are
counted in the pipelines' metrics.
"""

import asyncio
import logging
import time
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace.api.errors import request_id
from millrace.api.hops import hops_of
from millrace.domain.access import Principal
from millrace.domain.clock import Clock, iso
from millrace.stores.bus import BusEvent, EventBus

log = logging.getLogger(__name__)

SOURCE = "millrace.api_event"
SECONDS = 5.0
LONGEST = 1_024
_SILENT = frozenset(
    {
        "/api/openapi.json",
        "/api/streaming/pipelines/{pipeline_id}/process",
        "/api/streaming/pipelines/{pipeline_id}/batch",
    }
)


class ApiEvents:
    """Middleware that publishes the events.

    An event is sent after the last byte of the answer, but before the app returns, since Lambda may freeze
    the process then. Calls that end while another event is being sent share the next request to the bus.
    Events that the bus does not accept are logged, and the caller is not affected.
    """

    def __init__(self, app: ASGIApp, bus: EventBus, clock: Clock) -> None:
        self._app = app
        self._bus = bus
        self._clock = clock
        self._waiting: list[BusEvent] = []
        self._sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not self._bus.name:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        status, started = 500, time.monotonic()

        def watch(message: Message) -> Any:  # not a coroutine: every token passes through here
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            event = call_event(scope, status, self._clock(), round((time.monotonic() - started) * 1000))
            if event:
                self._waiting.append(event)
                await self._flush()

    async def _flush(self) -> None:
        async with self._sending:
            events, self._waiting = self._waiting, []
            if not events:
                return
            try:
                async with asyncio.timeout(SECONDS):
                    await self._bus.put(events)
            except asyncio.CancelledError:
                _log(events)
                raise
            except Exception:
                _log(events)


def _log(events: list[BusEvent]) -> None:
    log.exception("the bus did not take %s", ", ".join(event.detail for event in events))


def call_event(scope: Scope, status: int, now: int, duration_ms: int) -> BusEvent | None:
    """Return the event of a call that ended `now` (epoch ms); None if the call causes none."""
    caller: Principal | None = scope["state"].get("caller")
    route = getattr(scope.get("route"), "path", None)
    if caller is None or route in _SILENT:
        return None
    id = request_id(Request(scope))
    detail = {
        "id": id,
        "time": iso(now),
        "organization": caller.organization,
        "userId": _text(caller.id),
        "method": scope["method"],
        "path": _text(scope["path"]),
        "route": route,
        "status": status,
        "durationMs": duration_ms,
        "requestId": id,
    }
    if hops := hops_of(scope):
        detail["hops"] = hops
    return BusEvent(SOURCE, "call", orjson.dumps(detail).decode())


def _text(given: str) -> str:
    """Return the text cut to the maximum length and without halves of surrogate pairs, which JSON cannot
    express."""
    return given[:LONGEST].encode(errors="replace").decode()
