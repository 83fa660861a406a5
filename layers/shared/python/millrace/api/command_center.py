"""The command center: a stream over all runs of the caller's organization, and the active runs."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.cursors import number_from_cursor, to_cursor
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, whole_number
from millrace.api.operation import Answer, Parameter
from millrace.api.parameters import CURSOR, LAST_EVENT_ID, NAMED_EVENTS, limit
from millrace.api.resume import is_named
from millrace.api.sse import EventStream, frames
from millrace.api.stream_session import session_of, start_of
from millrace.domain.access import Principal
from millrace.domain.clock import from_iso
from millrace.domain.command_center import Filters
from millrace.errors import InvalidRequest
from millrace.protocols.native.encoding import NativeEncoder
from millrace.protocols.protocol import RETRY
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.replay import Span, replay
from millrace.services.command_center.view import Viewer, snapshot, watch

MAX_DIGITS = 11
FILTERS = (
    Parameter("agentIds", "Only these agents, separated by commas"),
    Parameter("eventTypes", "Only these types of events, separated by commas"),
    Parameter("runIds", "Only these runs, separated by commas"),
)
MOST_EVENTS = 1000
FROM = Parameter("from", "The time (ISO 8601) to start at; by default, as far back as events are kept")
UNTIL = Parameter("until", "The time (ISO 8601) to end at; by default now")
SINCE = Parameter(
    "since", "The number of the last event seen, or a snapshot's `since`; the stream continues after it"
)


class CommandCenter(Struct, frozen=True):
    """The endpoints of the command center."""

    recorder: Recorder

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        base = "/api/command-center"
        return [
            Endpoint(
                "GET",
                base + "/stream",
                "Stream the events of the organization's runs, and its alerts",
                "observe",
                self.stream_command_center,
                audited=True,
                parameters=(*FILTERS, SINCE, LAST_EVENT_ID, NAMED_EVENTS),
                answers={200: Answer(events="CommandCenterEvent")},
                errors=("unknown_event_type",),
            ),
            Endpoint(
                "GET",
                base + "/snapshot",
                "Read the active runs, with the event id to stream from",
                "observe",
                self.get_command_center_snapshot,
                audited=True,
                parameters=FILTERS,
                answers={200: "CommandCenterSnapshot"},
                errors=("unknown_event_type",),
            ),
            Endpoint(
                "GET",
                base + "/events",
                "Read the events of the last 24 hours, oldest first",
                "observe",
                self.list_command_center_events,
                audited=True,
                parameters=(*FILTERS, FROM, UNTIL, limit(MOST_EVENTS, MOST_EVENTS), CURSOR),
                answers={200: "CommandCenterEventPage"},
                errors=("unknown_event_type", "invalid_time"),
            ),
        ]

    async def stream_command_center(self, request: Request, caller: Principal) -> ASGIApp:
        filters, since = _filters(request), _since(request)
        if since is None and (session := session_of(request)):
            since = await self.recorder.records.head(caller.organization)
            await session.begin(str(since))
        viewer = Viewer(filters, deadline(request), request.is_disconnected)
        events = watch(self.recorder, caller.organization, viewer, since)
        return EventStream(frames(events, NativeEncoder("full", is_named(request)), first=RETRY))

    async def get_command_center_snapshot(self, request: Request, caller: Principal) -> Response:
        return JSONResponse(await snapshot(self.recorder, caller.organization, _filters(request)))

    async def list_command_center_events(self, request: Request, caller: Principal) -> Response:
        query = request.query_params
        span = Span(_time(query.get("from")), _time(query.get("until")))
        after = number_from_cursor(query.get("cursor"), "after")
        most = whole_number(request, "limit", MOST_EVENTS, 1, MOST_EVENTS)
        found, following = await replay(
            self.recorder, caller.organization, _filters(request), span, after, most
        )
        more = None if following is None else to_cursor({"after": str(following)})
        return JSONResponse({"items": found, "nextCursor": more})


def _time(text: str | None) -> int | None:
    return from_iso(text) if text else None


def _filters(request: Request) -> Filters:
    given = request.query_params
    return Filters.parse(given.get("agentIds", ""), given.get("eventTypes", ""), given.get("runIds", ""))


def _since(request: Request) -> int | None:
    query = request.query_params
    given = [query[name] for name in ("since", "after", "lastEventId") if query.get(name)]
    header = request.headers.get("last-event-id", "").strip()
    text = header or start_of(request) or (given[0] if given else "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise InvalidRequest(
            "Event ids of the command center are numbers; send the id of the last event that you received.",
            code="invalid_query",
        )
    return int(text)
