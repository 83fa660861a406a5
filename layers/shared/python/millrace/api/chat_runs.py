"""Chats of the AI SDK as conversations and runs.

The id of a stream in `x-workflow-run-id` is that of its run. For a stream that continues a run after answers,
it is `<runId>.<number>` with the event before its first one, so that clients which count chunks count from
the beginning of their own stream.
"""

from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.chat import RUN_ID, TAIL
from millrace.api.deadline import deadline
from millrace.api.endpoint import read_body
from millrace.api.protocol_streams import chunk_cursor, protocol_stream
from millrace.api.resume import detail_of
from millrace.api.sse import EventStream
from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId, parse_seq
from millrace.domain.projection import capped
from millrace.errors import InvalidRequest
from millrace.protocols.ai_sdk.encoding import DONE
from millrace.protocols.ai_sdk.parts import data, line
from millrace.protocols.ai_sdk.requests import ChatRequest, answers_in, content_of
from millrace.protocols.framing import ChunkId, Framed
from millrace.protocols.protocol import View
from millrace.protocols.table import AI_SDK
from millrace.services.runs.access import authorize_run
from millrace.services.runs.converse import (
    RunStream,
    answer_newest,
    converse,
    default_agent_id,
    newest_run_id,
    rejoin,
    stop,
)
from millrace.services.runs.new_message import AcceptedMessage, NewMessage
from millrace.services.runs.platform import Platform
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from millrace.stores.runs import stream_of

BODY = 6 * 1024 * 1024
"""Clients send the whole chat each time; Lambda accepts requests of this size."""
MOST_INDEX = 10**9
RUN_PREFIX = "run_"


async def send_chat(platform: Platform, request: Request, caller: Principal) -> ASGIApp:
    """Answer the last message of a chat, or continue the run that waited for its answers."""
    given = await read_body(request, ChatRequest, BODY, any_type=True)
    detail_of(request)
    slot = Slot.of(caller.organization, given.chat_id, given.thread_id)
    if seen := chunk_cursor(request):
        return await _rest(platform.stores, request, caller, seen)
    if given.last.role == "assistant":
        return await _answered(platform.stores, request, caller, slot, given)
    branch = given.branch()
    message = NewMessage(
        "" if branch and branch.again else content_of(given.last),
        given.agent_id or request.query_params.get("agentId") or None,
        given.thread_id,
        given.idempotency_key,
        given.if_busy,
        response_schema=given.response_schema,
        default_agent_id=default_agent_id(platform.settings),
        branch=branch,
        is_edit=given.is_edit,
    )
    sent = await converse(
        platform, caller, given.chat_id, message, deadline(request), as_logged=given.counted
    )
    if isinstance(sent, AcceptedMessage):
        return _accepted(sent)
    return _stream(request, sent)


async def _answered(
    stores: Stores, request: Request, caller: Principal, slot: Slot, given: ChatRequest
) -> ASGIApp:
    answers = [
        GivenAnswer(one.call_id, one.decision, None, one.content, one.reason)
        for one in answers_in(given.last)
    ]
    if not answers:
        raise InvalidRequest(
            "The last message is from the assistant and does not answer a call, so there is nothing to do. "
            "The last message must be from the user.",
            code="empty_message",
        )
    return _stream(request, await answer_newest(stores, caller, slot, answers, deadline(request)))


async def resume_chat(stores: Stores, request: Request, caller: Principal) -> ASGIApp:
    """Stream a chat's active run, or the run that is named, from its first chunk or a later one."""
    start = _start_index(request)
    if seen := chunk_cursor(request):
        return await _rest(stores, request, caller, seen)
    found = await _find_run(stores, request, caller, ended=start is not None)
    stream = (
        await rejoin(stores, caller, found.run_id, found.seq, deadline(request)) if found.run_id else None
    )
    if stream is None:
        return Response(status_code=204)
    if not start:
        return _stream(request, stream)
    skip, tail = await _position(stores, request, stream, start)
    return _stream(request, stream, skip=skip, headers={TAIL: str(tail)})


async def stop_chat(stores: Stores, request: Request, caller: Principal) -> Response:
    """Stop the active run of a chat, or the run that is named."""
    named = request.path_params["chat_id"]
    if named.startswith(RUN_PREFIX):
        run = await authorize_run(stores, caller, named.partition(".")[0])
        stopped = await stop(stores, caller, run.slot, run.id)
    else:
        stopped = await stop(stores, caller, _slot(request, caller))
    return JSONResponse({"runId": stopped, "state": "stopping"}, 202)


async def _find_run(stores: Stores, request: Request, caller: Principal, *, ended: bool) -> EventId:
    """Return the run that a path names by its id or by its chat, and the event after which its stream begins.
    With `ended`, the last run of a chat is returned if none is active."""
    named = request.path_params["chat_id"]
    if named.startswith(RUN_PREFIX):
        run_id, dot, seq = named.partition(".")
        return EventId(run_id, parse_seq(seq) if dot else 0)
    return EventId(await newest_run_id(stores, caller, _slot(request, caller), active=not ended), 0)


def _slot(request: Request, caller: Principal) -> Slot:
    thread = request.query_params.get("threadId") or None
    return Slot.of(caller.organization, request.path_params["chat_id"], thread)


async def _rest(stores: Stores, request: Request, caller: Principal, seen: ChunkId) -> ASGIApp:
    """Stream what follows a chunk, or return 204 if nothing does."""
    stream = await rejoin(stores, caller, seen.event.run_id or "", seen.seq, deadline(request))
    return Response(status_code=204) if stream is None else _stream(request, stream, seen=seen)


def _stream(
    request: Request,
    stream: RunStream,
    *,
    seen: ChunkId | None = None,
    skip: int = 0,
    headers: dict[str, str] | None = None,
) -> EventStream:
    name = str(EventId(stream.run.id, stream.seen)) if stream.seen and not seen else stream.run.id
    return protocol_stream(
        request,
        AI_SDK,
        stream,
        options=request.query_params,
        seen=seen,
        skip=skip,
        headers={RUN_ID: name, **(headers or {})},
    )


def _accepted(sent: AcceptedMessage) -> EventStream:
    """Stream a separate message that says that the active run has received the user's message as a live
    message."""
    injection = sent.injection.to_wire() | {"runId": sent.run_id}
    chunks = [{"type": "start"}, data("live-message", injection), {"type": "finish", "finishReason": "stop"}]

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"".join(b"%b\n\n" % line(chunk) for chunk in chunks) + DONE

    headers = {"x-run-id": sent.run_id, RUN_ID: sent.run_id}
    return EventStream(frames(), protocol=AI_SDK, headers=headers)


def _start_index(request: Request) -> int | None:
    given = request.query_params.get("startIndex")
    if not given:
        return None
    digits = given.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise InvalidRequest(
            "startIndex must be the number of a chunk, from 0; a negative one counts from the last.",
            code="invalid_query",
        )
    return int(given)


async def _position(stores: Stores, request: Request, stream: RunStream, start: int) -> tuple[int, int]:
    """Return the number of chunks to skip for a `startIndex`, and the index of the last chunk. If a client
    counted too far, the end of the run is sent again, since without it clients would reconnect endlessly."""
    run = stream.run
    view = View(run, capped(detail_of(request, AI_SDK.detail), run.visibility))
    seen = ChunkId(EventId(run.id, stream.seen))
    counter = Framed(AI_SDK.projection(view, request.query_params), run.id, seen=seen)
    logged = await stores.log.read(stream_of(run.slot.organization, run.id))
    counter.frames(logged)
    skip = start if start >= 0 else max(0, counter.count + start)
    if logged and is_last(logged[-1]):
        skip = min(skip, counter.count - 1)
    return skip, counter.count - 1
