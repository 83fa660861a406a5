"""Messages: send and stream, attach, resume, stop, inject."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.accept import wants_stream
from millrace.api.answers import answer_of
from millrace.api.auth import Auth
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.sse import EventStream
from millrace.domain.access import Access, Principal
from millrace.domain.agents import Wire
from millrace.domain.conversations import Slot
from millrace.domain.events import DETAILS, Detail
from millrace.domain.projection import capped
from millrace.domain.runs import Run
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.services.runs import inject as injections
from millrace.services.runs.access import reach, reach_run
from millrace.services.runs.follow import find_active_run, follow, has_more, outcome
from millrace.services.runs.history import read_history
from millrace.services.runs.launch import launch
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import Accepted, NewMessage, Replayed, send

PAGE = 100
MAX_SEQ = 10**11
BASE = "/api/conversations/{conversation_id}"
RESUME = {
    "after": "the number of the last event seen; also Last-Event-ID or lastEventId",
    "detail": "answer, steps or full",
    "events": "named adds SSE's event field",
}


class SendMessage(Wire):
    """A message to an agent. `ifBusy` says what happens when the agent is still answering."""

    content: str = Field(min_length=1, description="at most 524,288 bytes of UTF-8")
    agent_id: str | None = Field(default=None, max_length=128)
    thread_id: str | None = Field(default=None, max_length=128)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    if_busy: Literal["reject", "inject", "interrupt"] = "reject"

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: str) -> str:
        if not content.strip():
            raise ValueError("must say something")
        return content


class InjectMessage(Wire):
    """A live message for a running agent."""

    content: str = Field(description="at most 32,768 bytes of UTF-8")
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class Messages:
    """The endpoints."""

    platform: Platform
    auth: Auth

    def endpoints(self) -> list[Endpoint]:
        """The table of them."""
        thread = {"threadId": "a thread of the conversation"}
        stream = {"stream": "true streams"} | RESUME | thread
        one = "/api/runs/{run_id}"
        return [
            Endpoint(
                "POST",
                BASE + "/messages",
                self.send_message,
                "Send a message; the answer as JSON or streamed",
                body=SendMessage,
                query={"stream": "true streams"} | RESUME,
                streams=True,
            ),
            Endpoint(
                "GET",
                BASE + "/messages",
                self.list_messages,
                "Messages, oldest first; streamed: attach to the active run",
                query={"limit": "1 to 200", "cursor": "nextCursor of the page before"} | stream,
                streams=True,
            ),
            Endpoint(
                "GET", BASE + "/stream", self.attach, "Attach to the active run", query=stream, streams=True
            ),
            Endpoint("POST", BASE + "/stop", self.stop_run, "Stop the active run", query=thread, status=202),
            Endpoint(
                "POST",
                BASE + "/inject",
                self.inject_message,
                "Send a live message to the running agent",
                body=InjectMessage,
                query=thread,
                status=202,
            ),
            Endpoint("GET", BASE + "/inject", self.list_injected, "Live messages that wait", query=thread),
            Endpoint(
                "DELETE",
                BASE + "/inject/{message_id}",
                self.withdraw_message,
                "Withdraw a live message that waits",
                query=thread,
                status=204,
            ),
            Endpoint("GET", one, self.get_run, "Read a run"),
            Endpoint("GET", one + "/stream", self.stream_run, "A run's events", query=RESUME, streams=True),
        ]

    # --- sending -----------------------------------------------------------------------------------

    async def send_message(self, request: Request) -> ASGIApp:
        caller = await self.auth(request, "chat")
        given = await read_body(request, SendMessage)
        detail, after = _detail(request), _after(request)
        message = NewMessage(
            given.content,
            given.agent_id,
            given.thread_id,
            _key(request, given.idempotency_key),
            given.if_busy,
        )
        conversation_id = request.path_params["conversation_id"]
        if after:
            return await self._resume(request, caller, conversation_id, given.thread_id, after)
        outcome = await send(self.platform.stores, self.platform.models, caller, conversation_id, message)
        if isinstance(outcome, Accepted):
            return JSONResponse(outcome.injection.wire() | {"runId": outcome.run_id}, 202)
        if isinstance(outcome, Replayed):
            return await self._replay(request, outcome.run, detail)
        session = launch(self.platform, outcome, deadline(request))
        if not wants_stream(request):
            return await self._whole(request, session, detail)
        run = session.run
        return EventStream(
            session.outbox,
            capped(detail, run.visibility),
            named=_named(request),
            headers={"x-run-id": run.id},
            on_end=session.over,
            on_gone=session.outbox.close,
        )

    async def _whole(self, request: Request, session: RunSession, detail: Detail) -> Response:
        events = [event async for batch in session.outbox for event in batch]
        await session.over()
        return answer_of(request, session.run, events, detail)

    async def _replay(self, request: Request, run: Run, detail: Detail) -> ASGIApp:
        if wants_stream(request):
            return self._stream(request, run, 0, detail)
        events = await outcome(self.platform.stores, run)
        if not events:
            raise NotFound("The run of this key has ended long ago.", code="run_expired")
        return answer_of(request, run, events, detail)

    async def _resume(
        self, request: Request, caller: Principal, conversation_id: str, thread_id: str | None, after: int
    ) -> ASGIApp:
        """A POST that names the last event it saw goes on with that run and never begins another."""
        slot = Slot.of(caller.organization, conversation_id, thread_id)
        await reach(self.platform.stores, caller, slot, "read")
        opening = await self.platform.stores.conversations.open(slot)
        latest = next((m.run_id for m in reversed(opening.history) if m.run_id), None)
        run_id = opening.lease.run_id or latest
        if run_id is None:
            raise NotFound("There is no run to resume here.", code="run_not_found")
        run = await self.platform.stores.runs.get(caller.organization, run_id)
        return await self._rest(request, run, after)

    # --- reading -----------------------------------------------------------------------------------

    async def list_messages(self, request: Request) -> ASGIApp:
        if wants_stream(request):
            return await self.attach(request)
        caller = await self.auth(request, "chat")
        slot = await self._slot(request, caller, "read")
        limit = whole_number(request, "limit", PAGE, 1, 200)
        after = whole_number(request, "cursor", 0, 0, 10**8)
        items, last = await read_history(self.platform.stores, slot, after, limit, _detail(request))
        return JSONResponse({"items": items, "nextCursor": str(last) if last else None})

    async def attach(self, request: Request) -> ASGIApp:
        caller = await self.auth(request, "chat")
        run = await find_active_run(self.platform.stores, await self._slot(request, caller, "read"))
        return await self._rest(request, run, _after(request)) if run else Response(status_code=204)

    async def get_run(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        return JSONResponse((await self._run(request, caller)).wire())

    async def stream_run(self, request: Request) -> ASGIApp:
        caller = await self.auth(request, "chat")
        return await self._rest(request, await self._run(request, caller), _after(request))

    async def _run(self, request: Request, caller: Principal) -> Run:
        return await reach_run(self.platform.stores, caller, request.path_params["run_id"])

    async def _slot(self, request: Request, caller: Principal, wanted: Access) -> Slot:
        """The slot that a request names, in a conversation that the caller may read, or write into."""
        thread = request.query_params.get("threadId") or None
        slot = Slot.of(caller.organization, request.path_params["conversation_id"], thread)
        await reach(self.platform.stores, caller, slot, wanted)
        return slot

    async def _rest(self, request: Request, run: Run, after: int) -> ASGIApp:
        detail = _detail(request)
        if not await has_more(self.platform.stores, run, after):
            return Response(status_code=204)
        return self._stream(request, run, after, detail)

    def _stream(self, request: Request, run: Run, after: int, detail: Detail) -> EventStream:
        return EventStream(
            follow(self.platform.stores, run, after, deadline(request)),
            capped(detail, run.visibility),
            named=_named(request),
            headers={"x-run-id": run.id},
        )

    # --- steering ----------------------------------------------------------------------------------

    async def stop_run(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        slot = await self._slot(request, caller, "write")
        stopped = await self.platform.stores.leases.request_stop(slot, "stopped")
        if stopped is None:
            raise Conflict("No run is active here.", code="not_streaming")
        return JSONResponse({"runId": stopped, "state": "stopping"}, 202)

    async def inject_message(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        given = await read_body(request, InjectMessage)
        slot = await self._slot(request, caller, "write")
        key = _key(request, given.idempotency_key)
        accepted = await injections.inject(self.platform.stores, slot, given.content, key)
        return JSONResponse(accepted.wire(), 202)

    async def list_injected(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        found = await injections.waiting(self.platform.stores, await self._slot(request, caller, "read"))
        return JSONResponse({"items": [one.wire() for one in found], "nextCursor": None})

    async def withdraw_message(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        slot = await self._slot(request, caller, "write")
        await injections.withdraw(self.platform.stores, slot, request.path_params["message_id"])
        return Response(status_code=204)


def _detail(request: Request) -> Detail:
    given = request.query_params.get("detail", "steps")
    for detail in DETAILS:
        if detail == given:
            return detail
    raise InvalidRequest(f"detail is one of {', '.join(DETAILS)}.", code="invalid_query")


def _named(request: Request) -> bool:
    return request.query_params.get("events") == "named"


def _after(request: Request) -> int:
    header = request.headers.get("last-event-id", "").strip()
    if header:
        if not header.isascii() or not header.isdigit() or len(header) > 11:
            raise InvalidRequest("Last-Event-ID is the number of an event.", code="invalid_query")
        return int(header)
    name = "after" if "after" in request.query_params else "lastEventId"
    return whole_number(request, name, 0, 0, MAX_SEQ)


def _key(request: Request, given: str | None) -> str | None:
    key = request.headers.get("idempotency-key", "").strip() or given
    if key and len(key) > 200:
        raise InvalidRequest("An idempotency key may have 200 characters.", code="invalid_query")
    return key
