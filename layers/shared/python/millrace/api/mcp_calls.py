"""Calls of agents over MCP: a call starts or joins a run, whose events answer it, from any process."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from mcp_types.methods import validate_client_request
from msgspec import Struct
from msgspec.structs import replace
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from millrace.api.audited import noted_method
from millrace.api.deadline import deadline
from millrace.api.mcp_server import unknown_tool
from millrace.api.sse import EventStream, frames
from millrace.domain.access import Principal, missing_scope
from millrace.domain.event_ids import parse_event_id
from millrace.domain.events import LogEntry
from millrace.domain.ids import new_id
from millrace.domain.wire import WireModel
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.protocols.framing import ChunkId
from millrace.protocols.mcp.calls import Call, Session, parse_call_event
from millrace.protocols.mcp.encoding import McpFramed
from millrace.protocols.mcp.questions import given_answer
from millrace.protocols.mcp.tool_names import agent_id_of
from millrace.protocols.protocol import View
from millrace.protocols.table import MCP
from millrace.services.runs.access import authorize_run
from millrace.services.runs.converse import RunStream, answer_calls, converse, rejoin
from millrace.services.runs.follow import follow
from millrace.services.runs.new_message import AcceptedMessage, NewMessage
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_options import RunOptions
from millrace.stores.run_names import run_id_of

Json = dict[str, Any]
IDEMPOTENCY_KEY = "idempotencyKey"


class AgentArguments(WireModel):
    """The arguments of a tool that asks an agent."""

    message: str = Field(min_length=1)
    conversation_id: str | None = Field(default=None, max_length=128)


class AgentCalls(Struct, frozen=True):
    """Handles calls of agents."""

    platform: Platform

    async def call(
        self, request: Request, caller: Principal, call: Call, params: Json, session: Session | None
    ) -> ASGIApp:
        """Answer `tools/call` for an agent. Raises pydantic's `ValidationError`, `MCPError`, or the errors of
        `converse`."""
        validate_client_request("tools/call", call.version, params)
        check_chat(caller)
        agent_id = agent_id_of(params["name"]) or ""
        if params.get("requestState") is not None:
            return await self._continue(request, caller, call, agent_id, params)
        given = AgentArguments.model_validate(params.get("arguments") or {})
        try:
            agent = await self.platform.stores.agents.get(caller.organization, agent_id)
        except NotFound as error:
            raise unknown_tool(params["name"]) from error
        key = _key(request, call, params, session)
        run_id = run_id_of(caller, key) if key else ""
        own = run_id.replace("run_", "mcp_") or new_id("conv")  # a repeated call finds this again
        message = NewMessage(given.message, agent.id, idempotency_key=key, options=RunOptions(run_id=run_id))
        slot = given.conversation_id or own
        found = await converse(self.platform, caller, slot, message, deadline(request))
        if isinstance(found, AcceptedMessage):
            raise Conflict("The message became a live message of another run.", code="run_active")
        return self._stream(request, call, found)

    async def resume(self, request: Request, caller: Principal, last_event_id: str) -> ASGIApp:
        """Answer a client that reconnects with the id of the last event it saw; 204 if nothing is left.
        Raises `InvalidRequest` or `NotFound`."""
        call, seen = parse_call_event(last_event_id)
        found = await rejoin(
            self.platform.stores, caller, seen.event.run_id or "", seen.seq, deadline(request)
        )
        if found is None or (call.task and seen.seq):  # a task is answered by its first event
            return Response(status_code=204)
        return self._stream(request, call, found, seen)

    async def result(self, request: Request, caller: Principal, call: Call, run_id: str) -> ASGIApp:
        """Answer with a task's result once it is available (`tasks/result`). Raises `NotFound`."""
        found = await rejoin(self.platform.stores, caller, run_id, 0, deadline(request))
        if found is None:
            raise NotFound("The events of this run have expired.", code="run_expired")
        return self._stream(request, call, found)

    async def answered(
        self, request: Request, caller: Principal, run_id: str, call_id: str, result: Any
    ) -> tuple[str, int]:
        """Apply a user's answer to a question. Returns the run and the event number after which it continues.
        Raises the errors of `answer_calls`."""
        ids = {"runId": run_id, "callId": call_id}
        return await noted_method(
            request, caller, "answer", ids, lambda: self._answered(caller, run_id, call_id, result)
        )

    async def _answered(self, caller: Principal, run_id: str, call_id: str, result: Any) -> tuple[str, int]:
        run = await authorize_run(self.platform.stores, caller, run_id)
        waiting = await self.platform.stores.approvals.get(run.slot, run_id, call_id)
        given = given_answer(call_id, waiting.kind, waiting.schema, result)
        _, seen = await answer_calls(self.platform.stores, caller, run_id, [given])
        return run_id, seen

    async def _continue(
        self, request: Request, caller: Principal, call: Call, agent_id: str, params: Json
    ) -> ASGIApp:
        """Answer a call that is repeated with the state that the first answer contained."""
        at = parse_event_id(str(params["requestState"]))
        run = await authorize_run(self.platform.stores, caller, at.run_id or "")
        if run.agent_id != agent_id:
            raise InvalidRequest("requestState belongs to a call of another tool.", code="invalid_request")
        answers = params.get("inputResponses") or {}
        seen = at.seq
        for call_id, result in answers.items():
            _, behind = await self.answered(request, caller, run.id, call_id, result)
            seen = max(seen, behind)
        found = await rejoin(self.platform.stores, caller, run.id, seen, deadline(request))
        if found is None:  # the answer was sent already, but the client did not get it
            seen = 0
            found = await rejoin(self.platform.stores, caller, run.id, seen, deadline(request))
        if found is None:
            raise NotFound("The events of this run have expired.", code="run_expired")
        return self._stream(request, call, replace(found, seen=seen))

    def _stream(
        self, request: Request, call: Call, stream: RunStream, seen: ChunkId | None = None
    ) -> EventStream:
        run = stream.run
        behind = seen or (ChunkId(parse_event_id(f"{run.id}.{stream.seen}")) if stream.seen else None)
        events = stream.events
        if call.elicits and not call.is_modern and not call.task:
            events = self._while_asked(request, stream)
        return EventStream(
            frames(events, McpFramed(View(run, run.visibility), call, behind)),
            protocol=MCP,
            headers={"x-run-id": run.id},
            on_end=stream.on_end,
            on_disconnect=stream.on_disconnect,
        )

    async def _while_asked(self, request: Request, stream: RunStream) -> AsyncGenerator[list[LogEntry], None]:
        """Yield the run's events, including those that follow the user's answers."""
        last: LogEntry | None = None
        async for batch in stream.events:
            last = batch[-1]
            yield batch
        if last is not None and last.type == "waiting":
            stores, until = self.platform.stores, deadline(request)
            async with aclosing(follow(stores, stream.run, last.seq, until, stay=True)) as rest:
                async for batch in rest:
                    yield batch


def check_chat(caller: Principal) -> None:
    """Raise `Forbidden` if the caller may not use agents. The endpoints accept any token, since each tool has
    its own scope."""
    if not caller.may("chat"):
        raise missing_scope(caller, "chat")


def _key(request: Request, call: Call, params: Json, session: Session | None) -> str | None:
    """Return the idempotency key of a call: the client's, or one of its session for this request."""
    given = (params.get("_meta") or {}).get(IDEMPOTENCY_KEY) or request.headers.get("idempotency-key")
    if given is None:
        return session.key(call.request_id) if session else None
    if not isinstance(given, str) or not 1 <= len(given) <= 200:
        raise InvalidRequest("An idempotency key must have 1 to 200 characters.", code="invalid_request")
    return f"mcp:k:{given}"
