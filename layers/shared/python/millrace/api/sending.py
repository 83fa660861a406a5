"""Sends a message through the native API and answers with its run: streamed, or as JSON once it has ended."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.accept import wants_stream
from millrace.api.answers import answer_of, is_over
from millrace.api.deadline import deadline
from millrace.api.resume import detail_of, view_of
from millrace.api.sse import EventStream, frames
from millrace.api.streams import Streams
from millrace.domain.access import Principal
from millrace.domain.runs import Run
from millrace.services.runs.follow import follow, outcome
from millrace.services.runs.launch import send_and_launch
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession


async def send_and_answer(
    platform: Platform, request: Request, caller: Principal, conversation_id: str, message: NewMessage
) -> ASGIApp:
    """Start a run for a message, or join the run that its idempotency key already started. Raises the errors
    of `send`."""
    sent = await send_and_launch(platform, caller, conversation_id, message, deadline(request))
    if isinstance(sent, AcceptedMessage):
        return JSONResponse(sent.injection.to_wire() | {"runId": sent.run_id}, 202)
    if isinstance(sent, ReplayedRun):
        return await _replay(platform, request, sent.run)
    if not wants_stream(request):
        return await _json_answer(platform, request, sent)
    return EventStream(
        frames(sent.event_feed, view_of(request, sent.run, detail_of(request))),
        headers={"x-run-id": sent.run.id},
        on_end=sent.over,
        on_disconnect=sent.leave,
    )


async def _json_answer(platform: Platform, request: Request, session: RunSession) -> Response:
    events = [event async for batch in session.event_feed for event in batch]
    # Lambda freezes the process after the answer, so wait for the run's last writes.
    await session.over()
    if not is_over(events):  # another process runs it
        after = max(event.seq for event in events)
        rest = follow(platform.stores, session.run, after, deadline(request))
        events += [event async for batch in rest for event in batch]
    return answer_of(request, session.run, events, detail_of(request))


async def _replay(platform: Platform, request: Request, run: Run) -> ASGIApp:
    if wants_stream(request):
        return Streams(platform.stores).stream(request, run, 0, detail_of(request))
    events = await outcome(platform.stores, run, deadline(request))
    return answer_of(request, run, events, detail_of(request))
