"""Runs and their streams: attach to a conversation, resume after any event."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint
from millrace.api.operation import EMPTY, Answer
from millrace.api.parameters import RESUME, THREAD
from millrace.api.resume import (
    conversation_frames,
    cursor,
    cursor_of,
    detail_of,
    view_of,
)
from millrace.api.sse import EventStream, frames
from millrace.api.stream_session import session_of
from millrace.domain.access import Principal
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.domain.events import Detail, LogEntry
from millrace.domain.runs import Run
from millrace.errors import NotFound
from millrace.protocols.protocol import RETRY
from millrace.services.runs.access import authorize_run
from millrace.services.runs.follow import follow, has_more
from millrace.services.runs.subscribe import run_of, subscribe
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last


class Streams(Struct, frozen=True):
    """The endpoints of runs' streams."""

    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        one = "/api/runs/{run_id}"
        events = Answer(events="RunEvent", headers=("x-run-id",))
        return [
            Endpoint(
                "GET",
                "/api/conversations/{conversation_id}/stream",
                "Stream the events of the conversation's runs, including future ones",
                "chat",
                self.attach,
                parameters=(*RESUME, THREAD),
                answers={200: events, 204: EMPTY},
                errors=("conversation_not_found", "invalid_id", "run_expired", "run_not_found"),
            ),
            Endpoint(
                "GET",
                one,
                "Read a run",
                "chat",
                self.get_run,
                answers={200: "Run"},
                errors=("run_not_found",),
            ),
            Endpoint(
                "GET",
                one + "/stream",
                "Stream a run's events",
                "chat",
                self.stream_run,
                parameters=RESUME,
                answers={200: events, 204: EMPTY},
                errors=("run_expired", "run_not_found"),
            ),
        ]

    async def get_run(self, request: Request, caller: Principal) -> Response:
        return JSONResponse((await self._run(request, caller)).to_wire())

    async def stream_run(self, request: Request, caller: Principal) -> ASGIApp:
        run = await self._run(request, caller)
        return await self.rest(request, run, cursor_of(request, run.id), RETRY)

    async def attach(self, request: Request, caller: Principal) -> ASGIApp:
        """Stream a conversation: the subscription stays open after a run and continues with the next one."""
        return await self.subscribe(request, caller, endless=True)

    async def subscribe(self, request: Request, caller: Principal, *, endless: bool) -> ASGIApp:
        """Stream a conversation, or return 204 if there is nothing more to send."""
        slot, detail = slot_of(request, caller), detail_of(request)
        found = await subscribe(
            self.stores,
            caller,
            slot,
            cursor(request),
            endless=endless,
            deadline=deadline(request),
            disconnected=request.is_disconnected,
        )
        if found is None:
            return Response(status_code=204)
        session = session_of(request)
        if session:
            await session.begin(str(found.at))

        async def finish() -> None:
            if session and found.over and found.at.seq:
                await session.finish(str(found.at))

        headers = {"x-run-id": found.at.run_id} if found.at.run_id and not found.waiting else {}
        return EventStream(conversation_frames(request, found, detail), headers=headers, on_end=finish)

    async def resume(self, request: Request, caller: Principal, slot: Slot) -> ASGIApp:
        """Resume the stream of a run: a POST with the id of the last event continues that run and starts no
        other."""
        await self.stores.limits.check_caller(caller)
        event = cursor(request)
        if event is None or event.run_id is None:
            raise NotFound("There is no run to resume here.", code="run_not_found")
        return await self.rest(request, await run_of(self.stores, caller, slot, event), event.seq)

    async def rest(self, request: Request, run: Run, after: int, first: bytes = b"") -> ASGIApp:
        """Stream the run's events after a number, or return 204 if there are none and will be none."""
        detail = detail_of(request)
        if not await has_more(self.stores, run, after):
            return Response(status_code=204)
        return self.stream(request, run, after, detail, first)

    def stream(
        self, request: Request, run: Run, after: int, detail: Detail, first: bytes = b""
    ) -> EventStream:
        """Stream the run's events after a number as they are logged."""
        session, end = session_of(request), 0

        async def events() -> AsyncGenerator[list[LogEntry], None]:
            nonlocal end
            async with aclosing(follow(self.stores, run, after, deadline(request))) as batches:
                async for batch in batches:
                    yield batch
                    # After the `yield`, which continues only once the previous batch was sent.
                    end = batch[-1].seq if is_last(batch[-1]) else 0

        async def finish() -> None:
            if session and end:
                await session.finish(str(EventId(run.id, end)))

        sent = frames(events(), view_of(request, run, detail), first=first)
        return EventStream(sent, headers={"x-run-id": run.id}, on_end=finish)

    async def _run(self, request: Request, caller: Principal) -> Run:
        return await authorize_run(self.stores, caller, request.path_params["run_id"])


def slot_of(request: Request, caller: Principal) -> Slot:
    """Return the conversation or thread that a request is about. Raises `InvalidRequest`."""
    thread = request.query_params.get("threadId") or None
    return Slot.of(caller.organization, request.path_params["conversation_id"], thread)
