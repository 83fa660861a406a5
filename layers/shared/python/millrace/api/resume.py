"""Reads from a request where to resume a stream (`Last-Event-ID`, `?after=` or `?lastEventId=`), and in what
detail."""

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
    """Return the id of the last event seen; empty for the beginning.

    The header wins, since `EventSource` reconnects to the same URL with it; then the query, then the session
    of a ticket.
    """
    header = request.headers.get("last-event-id", "").strip()
    query = request.query_params
    found = header or start_of(request) or query.get("after") or query.get("lastEventId") or ""
    if len(found) > MAX_LENGTH:
        raise InvalidRequest("The event id is too long.", code="invalid_query")
    return "" if found == "0" else found


def cursor(request: Request) -> EventId | None:
    """Return the last event seen, for a path that may lead to several runs. Raises `InvalidRequest`."""
    text = cursor_text(request)
    return parse_event_id(text) if text else None


def cursor_of(request: Request, run_id: str) -> int:
    """Return the number of the last event seen, for the path of one run. Raises `InvalidRequest`."""
    text = cursor_text(request)
    return parse_event_id_of(text, run_id) if text else 0


def detail_of(request: Request, default: Detail = "steps") -> Detail:
    """Return the requested detail. Raises `InvalidRequest`."""
    given = request.query_params.get("detail", default)
    for detail in DETAILS:
        if detail == given:
            return detail
    raise InvalidRequest(f"detail must be one of {', '.join(DETAILS)}.", code="invalid_query")


def is_named(request: Request) -> bool:
    """Return whether the client wants SSE's `event` field."""
    return request.query_params.get("events") == "named"


def view_of(request: Request, run: Run, detail: Detail) -> NativeEncoder:
    """Return the encoder for this client's view of a run."""
    return NativeEncoder(capped(detail, run.visibility), is_named(request), run.id)


async def conversation_frames(
    request: Request, subscription: Subscription, detail: Detail
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a conversation's stream. A stream that starts by waiting first sends an id to resume
    from, so that the client does not miss a run that starts and ends while it is disconnected."""
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
