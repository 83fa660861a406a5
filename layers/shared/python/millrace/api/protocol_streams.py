"""A run's stream in the form of a protocol, for the endpoints of protocols."""

from collections.abc import Mapping

from starlette.requests import Request

from millrace.api.resume import cursor_text, detail_of
from millrace.api.sse import EventStream, frames
from millrace.domain.event_ids import EventId
from millrace.domain.projection import capped
from millrace.errors import InvalidRequest
from millrace.protocols.framing import ChunkId, Framed, parse_chunk_id
from millrace.protocols.protocol import StreamProtocol, View
from millrace.services.runs.converse import RunStream


def chunk_cursor(request: Request) -> ChunkId | None:
    """Return the last chunk that the client has seen: `Last-Event-ID`, `?after=` or `?lastEventId=`. Raises
    `InvalidRequest`."""
    text = cursor_text(request)
    found = parse_chunk_id(text) if text else None
    if found and found.event.run_id is None:
        raise InvalidRequest("The event id does not contain a run id.", code="invalid_query")
    return found


def protocol_stream(
    request: Request,
    protocol: StreamProtocol,
    stream: RunStream,
    *,
    options: Mapping[str, str] | None = None,
    seen: ChunkId | None = None,
    skip: int = 0,
    headers: Mapping[str, str] | None = None,
) -> EventStream:
    """Stream a run in the form of a protocol, after the chunk that was `seen` or, without one, after the
    event that `stream` names. `skip` is the number of further chunks to leave out."""
    run = stream.run
    view = View(run, capped(detail_of(request, protocol.detail), run.visibility))
    encoder = Framed(
        protocol.projection(view, options),
        run.id,
        seen=seen or ChunkId(EventId(run.id, stream.seen)),
        skip=skip,
    )
    return EventStream(
        frames(stream.events, encoder),
        protocol=protocol,
        headers={"x-run-id": run.id, **(headers or {})},
        on_end=stream.on_end,
        on_disconnect=stream.on_disconnect,
    )
