"""AG-UI 1.0: the runs of its clients are runs of conversations, which continue when the client disconnects.

A thread is a conversation, and the client's `runId` is the idempotency key of its run: the same request again
joins the run, after the event in `Last-Event-ID`. When one of our runs waits for people, AG-UI's run ends,
and the answers begin its next one.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from millrace.api.answers import RUN_ERRORS
from millrace.api.approvals import ANSWER_ERRORS
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, read_body
from millrace.api.messages import SEND_ERRORS
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import LAST_EVENT_ID
from millrace.api.protocol_streams import chunk_cursor, protocol_stream
from millrace.api.resume import detail_of
from millrace.api.sse import EventStream
from millrace.domain.access import Principal
from millrace.domain.approvals import WaitingCall
from millrace.domain.branches import BranchPoint
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.domain.events import Detail
from millrace.domain.projection import capped, project
from millrace.errors import InvalidRequest, NotFound
from millrace.protocols.framing import ChunkId
from millrace.protocols.table import AG_UI
from millrace.services.runs.access import authorize_run
from millrace.services.runs.converse import RunStream, converse, default_agent_id, part_of, rejoin
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform

if TYPE_CHECKING:  # imported only when an AG-UI client calls
    from millrace.protocols.ag_ui.requests import AgUiRunInput

BODY_BYTES = 5_500_000
"""Clients send their whole history with each message; Lambda accepts 6 MB."""
ERRORS = tuple(dict.fromkeys((*SEND_ERRORS, *RUN_ERRORS, *ANSWER_ERRORS, "run_id_used", "invalid_tool")))
PARTS = (
    Parameter("runId", "The client's run to read, from its beginning or after `Last-Event-ID`"),
    Parameter("threadId", "Without `runId`: the messages of the thread, then its active run"),
    Parameter("offset", "`-1`: from the beginning", {"type": "string", "enum": ["-1"]}),
    LAST_EVENT_ID,
)


class AgUi(Struct, frozen=True):
    """The endpoints of AG-UI."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            *self._endpoints_at(
                "/agui", "ag_ui", "the agent of `forwardedProps.agentId`, or the deployment's default"
            ),
            *self._endpoints_at("/agui/{agent_id}", "ag_ui_agent", "this agent"),
        ]

    def _endpoints_at(self, path: str, name: str, whom: str) -> list[Endpoint]:
        events = Answer(events="AgUiEvent", headers=("x-run-id",))
        return [
            Endpoint(
                "POST",
                path,
                f"Run {whom}, over AG-UI; or answer what a run waits for, or continue reading a run",
                "chat",
                getattr(self, f"run_{name}"),
                audited=False,
                checks_caller=True,
                body="AgUiRunInput",
                parameters=(LAST_EVENT_ID,),
                answers={200: events, 204: EMPTY},
                errors=ERRORS,
                open_errors=(502,),
            ),
            Endpoint(
                "GET",
                path,
                "Read a run or a thread over AG-UI",
                "chat",
                getattr(self, f"join_{name}"),
                parameters=PARTS,
                answers={200: events, 204: EMPTY},
                errors=("conversation_not_found", "invalid_id", "run_expired", "run_not_found"),
            ),
        ]

    async def run_ag_ui(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._run(request, caller, None)

    async def run_ag_ui_agent(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._run(request, caller, request.path_params["agent_id"])

    async def join_ag_ui(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._join(request, caller)

    async def join_ag_ui_agent(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._join(request, caller)

    # --- runs --------------------------------------------------------------------------------------

    async def _run(self, request: Request, caller: Principal, agent_id: str | None) -> ASGIApp:
        from millrace.protocols.ag_ui.requests import AgUiRunInput

        given = await read_body(request, AgUiRunInput, BODY_BYTES)
        slot = Slot.of(caller.organization, given.thread_id)
        ids = {"threadId": given.thread_id, "runId": given.run_id, "before": given.before()}
        if seen := chunk_cursor(request):
            return await self._rest(request, caller, ids, seen)
        if given.resume or given.tool_results():
            answered = await self._answer(request, caller, slot, given)
            if isinstance(answered, list):
                run = await self.platform.stores.runs.get(caller.organization, answered[0].run_id)
                return _still_waits(ids, answered, capped(detail_of(request, AG_UI.detail), run.visibility))
            if answered:
                return self._stream(request, answered[0], ids, answered[1])
        message = self._message(caller, given, agent_id)
        if given.parent_run_id:
            parent = await self._start_of_run(caller, given.parent_run_id)
            message = replace(message, branch=BranchPoint(run_id=parent.run_id or ""))
        sent = await converse(self.platform, caller, given.thread_id, message, deadline(request))
        if not isinstance(sent, RunStream):
            return _accepted(ids, sent.run_id, sent.injection.id)
        return self._stream(request, sent, ids, 0)

    def _message(self, caller: Principal, given: "AgUiRunInput", agent_id: str | None) -> NewMessage:
        from millrace.services.runs.run_options import RunOptions
        from millrace.stores.run_names import run_id_of

        props = given.forwarded_props
        return NewMessage(
            given.question(),
            agent_id or props.agent_id,
            idempotency_key=f"agui:{given.run_id}",
            if_busy=props.if_busy,
            response_schema=props.response_schema,
            options=RunOptions(
                run_id=run_id_of(caller, given.run_id),
                instructions=given.instructions(),
                client_tools=given.client_tools(),
                earlier=given.earlier(),
            ),
            default_agent_id=default_agent_id(self.platform.settings),
        )

    def _stream(self, request: Request, stream: RunStream, ids: dict[str, str], after: int) -> EventStream:
        seen = ChunkId(EventId(stream.run.id, after)) if after else None
        return protocol_stream(request, AG_UI, part_of(stream, after), options=ids, seen=seen)

    async def _rest(self, request: Request, caller: Principal, ids: dict[str, str], seen: ChunkId) -> ASGIApp:
        """Stream the rest of a run after a chunk, or return 204 if that was the last one."""
        run_id = seen.event.run_id or ""
        stream = await rejoin(self.platform.stores, caller, run_id, seen.seq, deadline(request))
        if stream is None or await self._ended_at(stream, seen):
            return Response(status_code=204)
        return protocol_stream(request, AG_UI, part_of(stream, seen.seq), options=ids, seen=seen)

    async def _ended_at(self, stream: RunStream, seen: ChunkId) -> bool:
        """Return whether a client has seen the end of its AG-UI run, at which our run waits."""
        if seen.part or not seen.seq:
            return False
        from millrace.stores.runs import stream_of

        log = stream_of(stream.run.slot.organization, stream.run.id)
        found = await self.platform.stores.log.read(log, seen.seq - 1, limit=1)
        return bool(found) and found[0].seq == seen.seq and found[0].type == "waiting"

    async def _answer(
        self, request: Request, caller: Principal, slot: Slot, given: "AgUiRunInput"
    ) -> tuple[RunStream, int] | list[WaitingCall] | None:
        """See `services.runs.part_answers.answer_part`."""
        from millrace.services.runs.part_answers import answer_part

        return await answer_part(
            self.platform.stores,
            caller,
            slot,
            given.run_id,
            answers=given.answers(),
            results=given.tool_results(),
            deadline=deadline(request),
        )

    # --- joining -----------------------------------------------------------------------------------

    async def _join(self, request: Request, caller: Principal) -> ASGIApp:
        query = request.query_params
        name, thread_id = query.get("runId", ""), query.get("threadId", "")
        if not name:
            if not thread_id:
                raise InvalidRequest("Send runId for a run, or threadId for a thread.", code="invalid_query")
            return await self._open(request, caller, thread_id)
        seen = chunk_cursor(request)
        begins = seen.event if seen else await self._start_of_run(caller, name)
        stores = self.platform.stores
        run = await authorize_run(stores, caller, begins.run_id or "")
        before = await self._before(request, run.slot, run.id)
        ids = {"threadId": run.slot.conversation_id, "runId": name, "before": before}
        if seen:
            return await self._rest(request, caller, ids, seen)
        stream = await rejoin(stores, caller, run.id, begins.seq, deadline(request))
        return self._stream(request, stream, ids, begins.seq) if stream else Response(status_code=204)

    async def _start_of_run(self, caller: Principal, name: str) -> EventId:
        """Return the event after which the run with a name begins. The name is the client's or our run id."""
        from millrace.stores.run_names import run_id_of

        stores = self.platform.stores
        if found := await stores.run_names.get(caller, name):
            return found
        run_id = run_id_of(caller, name)
        if name.startswith("run_"):
            with suppress(NotFound):
                return EventId((await stores.runs.get(caller.organization, run_id)).id, 0)
            run_id = name
        return EventId(run_id, 0)

    async def _open(self, request: Request, caller: Principal, thread_id: str) -> ASGIApp:
        """Stream the thread's messages, then the run that is active in it."""
        from millrace.services.runs.converse import newest_run_id

        slot = Slot.of(caller.organization, thread_id)
        run_id = await newest_run_id(self.platform.stores, caller, slot, active=True)
        before = await self._before(request, slot, run_id or "")
        stream = await rejoin(self.platform.stores, caller, run_id, 0, deadline(request)) if run_id else None
        if stream is None:
            return _idle(thread_id, before)
        ids = {"threadId": thread_id, "runId": stream.run.id, "before": before, "opening": "true"}
        return protocol_stream(request, AG_UI, stream, options=ids)

    async def _before(self, request: Request, slot: Slot, run_id: str) -> str:
        """Return the messages of a thread up to the one that started a run, as JSON."""
        from millrace.protocols.ag_ui.history import to_messages
        from millrace.services.runs.history import read_history

        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page, after = await read_history(
                self.platform.stores, slot, after, PAGE, detail_of(request, AG_UI.detail)
            )
            first = next((n for n, message in enumerate(page) if message["runId"] == run_id), None)
            if first is not None:
                # A run begins with the user's message, which is not one of its events.
                found += page[: first + 1]
                break
            found += page
        return orjson.dumps(to_messages(found)).decode()


PAGE = 200


def _accepted(ids: dict[str, str], run_id: str, message_id: str) -> Response:
    """Return a run for an accepted live message: it says so and ends. The run that receives the message
    continues separately."""
    value = {"messageId": message_id, "runId": run_id}
    return _at_once(ids, {"type": "CUSTOM", "name": "millrace.accepted", "value": value})


def _idle(thread_id: str, messages: str) -> Response:
    snapshot = {"type": "MESSAGES_SNAPSHOT", "messages": orjson.loads(messages)}
    return _at_once({"threadId": thread_id, "runId": "none"}, snapshot)


def _still_waits(ids: dict[str, str], calls: list[WaitingCall], detail: Detail) -> Response:
    """Return a run for answers to only some of the calls: it ends like the one before, with the remaining
    calls."""
    from millrace.protocols.ag_ui.ends import interrupts
    from millrace.services.runs.asking import requested

    asked = [shown for call in calls if (shown := project(requested(call), detail))]
    outcome = interrupts(asked, {call.call_id: call.call_id for call in calls}, asked[0]["expiresAt"])
    return _at_once(ids, outcome=outcome)


def _at_once(ids: dict[str, str], *events: dict[str, Any], outcome: dict[str, Any] | None = None) -> Response:
    """Return a run that ends at once."""
    from millrace.protocols.ag_ui.run_state import VERSION

    named = {"threadId": ids["threadId"], "runId": ids["runId"]}
    whole = [
        {"type": "RUN_STARTED", **named, "protocolVersion": VERSION},
        *events,
        {"type": "RUN_FINISHED", **named, "outcome": outcome or {"type": "success"}},
    ]
    body = b"".join(b"data: %b\n\n" % orjson.dumps(one) for one in whole)
    return Response(body, media_type="text/event-stream")
