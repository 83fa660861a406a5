"""The place where a request's stream goes on: `Last-Event-ID`, `?after=` or `?lastEventId=`; in what detail
it is read, and from which process' time."""

from collections.abc import AsyncGenerator

from starlette.requests import Request

from millrace.api.stream_session import start_of
from millrace.domain.event_ids import EventId, parse_event_id, parse_event_id_of
from millrace.domain.events import DETAILS, Detail
from millrace.domain.projection import capped
from millrace.domain.runs import Run
from millrace.errors import InvalidRequest
from millrace.protocols.native.encoding import NativeEncoder, heartbeat_at
from millrace.protocols.protocol import RETRY
from millrace.services.runs.subscribe import Subscription

MAX_LENGTH = 160


def cursor_text(request: Request) -> str:
    """Return what names the last event seen, empty for the beginning. The header wins: `EventSource` comes
    back to the same URL with it. Next is what a ticket's session knows."""
    header = request.headers.get("last-event-id", "").strip()
    query = request.query_params
    found = header or start_of(request) or query.get("after") or query.get("lastEventId") or ""
    if len(found) > MAX_LENGTH:
        raise InvalidRequest("The event id is too long.", code="invalid_query")
    return "" if found == "0" else found


def cursor(request: Request) -> EventId | None:
    """Return the last event seen, on a path that may lead to several runs. Raises `InvalidRequest`."""
    text = cursor_text(request)
    return parse_event_id(text) if text else None


def cursor_of(request: Request, run_id: str) -> int:
    """Return the number of the last event seen, on the path of one run. Raises `InvalidRequest`."""
    text = cursor_text(request)
    return parse_event_id_of(text, run_id) if text else 0


def detail_of(request: Request, default: Detail = "steps") -> Detail:
    """Return the detail asked for. Raises `InvalidRequest`."""
    given = request.query_params.get("detail", default)
    for detail in DETAILS:
        if detail == given:
            return detail
    raise InvalidRequest(f"detail must be one of {', '.join(DETAILS)}.", code="invalid_query")


def is_named(request: Request) -> bool:
    """Return whether SSE's `event` field is wanted."""
    return request.query_params.get("events") == "named"


def view_of(request: Request, run: Run, detail: Detail) -> NativeEncoder:
    """The view that the client of this request may have of a run."""
    return NativeEncoder(capped(detail, run.visibility), is_named(request), run.id)


async def conversation_frames(
    request: Request, subscription: Subscription, detail: Detail
) -> AsyncGenerator[bytes, None]:
    """The bytes of a conversation's stream. One that begins with waiting first gives an id to come back with:
    a run that begins and ends while the client is away is then not missed."""
    yield RETRY + heartbeat_at(subscription.at) if subscription.waiting else RETRY
    events = subscription.events()
    try:
        async for run, batch in events:
            encoder = view_of(request, run, detail) if run else NativeEncoder("answer", is_named(request))
            yield encoder.frames(batch)
        if not subscription.over:
            yield RETRY
    finally:
        await events.aclose()
