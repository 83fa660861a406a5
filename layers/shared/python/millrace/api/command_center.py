"""The command center: a stream over all runs of the caller's organisation, and what runs now."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.auth import Auth
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, whole_number
from millrace.api.sse import EventStream
from millrace.domain.command_center import Filters
from millrace.errors import InvalidRequest
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.view import Viewer, snapshot, watch

MAX_SEQ = 10**11
FILTERS = {
    "agentIds": "only these agents, separated by commas",
    "eventTypes": "only these types, separated by commas",
    "runIds": "only these runs, separated by commas",
}


@dataclass(frozen=True, slots=True)
class CommandCenter:
    """The endpoints."""

    recorder: Recorder
    auth: Auth

    def endpoints(self) -> list[Endpoint]:
        """The table of them."""
        base = "/api/command-center"
        resume = {
            "since": "the number of the last event seen, or a snapshot's since; also Last-Event-ID",
            "events": "named adds SSE's event field",
        }
        return [
            Endpoint(
                "GET",
                base + "/stream",
                self.stream_command_center,
                "Everything that happens in the organisation's runs, and its alerts",
                scope="observe",
                query=FILTERS | resume,
                streams=True,
            ),
            Endpoint(
                "GET",
                base + "/snapshot",
                self.get_command_center_snapshot,
                "The runs under way, with the event id to stream from",
                scope="observe",
                query=FILTERS,
            ),
        ]

    async def stream_command_center(self, request: Request) -> ASGIApp:
        caller = await self.auth(request, "observe")
        filters, since = _filters(request), _since(request)
        viewer = Viewer(filters, deadline(request), request.is_disconnected)
        events = watch(self.recorder, caller.organization, viewer, since)
        return EventStream(events, "full", named=request.query_params.get("events") == "named")

    async def get_command_center_snapshot(self, request: Request) -> Response:
        caller = await self.auth(request, "observe")
        return JSONResponse(await snapshot(self.recorder, caller.organization, _filters(request)))


def _filters(request: Request) -> Filters:
    given = request.query_params
    return Filters.parse(given.get("agentIds", ""), given.get("eventTypes", ""), given.get("runIds", ""))


def _since(request: Request) -> int | None:
    header = request.headers.get("last-event-id", "").strip()
    if header:
        if not header.isascii() or not header.isdigit() or len(header) > 11:
            raise InvalidRequest("Last-Event-ID is the number of an event.", code="invalid_query")
        return int(header)
    given = [name for name in ("since", "after", "lastEventId") if request.query_params.get(name)]
    return whole_number(request, given[0], 0, 0, MAX_SEQ) if given else None
