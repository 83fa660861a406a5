"""OpenAI's responses: runs of conversations that continue without their client, in the background or
streamed.

A response is a run, or the part of one that follows the answers to its questions; its id names both. It can
be read, followed from any sequence number and canceled from any process.
"""

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.answers import RUN_ERRORS
from millrace.api.approvals import ANSWER_ERRORS
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.messages import SEND_ERRORS, idempotency_key
from millrace.api.openai_requests import (
    BODY_BYTES,
    CHAT_ERRORS,
    answered_part,
    conversation_of,
    naming_models,
    naming_responses,
    whole,
)
from millrace.api.operation import Answer, Parameter
from millrace.api.parameters import IDEMPOTENCY_KEY, STREAM
from millrace.api.protocol_streams import protocol_stream
from millrace.api.resume import detail_of
from millrace.domain.access import Principal
from millrace.domain.event_ids import EventId
from millrace.domain.events import LogEntry
from millrace.domain.projection import capped
from millrace.domain.runs import Run
from millrace.errors import Conflict, NotFound
from millrace.protocols.framing import ChunkId
from millrace.protocols.table import OPENAI_RESPONSES
from millrace.services.runs.access import authorize, authorize_run
from millrace.services.runs.converse import RunStream, converse, converse_later, part_of, rejoin, stop
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform

if TYPE_CHECKING:  # imported only when a client calls
    from millrace.protocols.openai.response_requests import ResponseRequest

ONE = "/v1/responses/{response_id}"
NUMBERS = 10**14
AFTER = Parameter(
    "starting_after",
    "The sequence number after which the stream continues",
    {"type": "integer", "minimum": 0},
)


class OpenAiResponses(Struct, frozen=True):
    """The endpoints of responses."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        response = Answer("Response", events="ResponseEvent", headers=("x-run-id",))
        missing = ("response_not_found", "run_expired")
        errors = dict.fromkeys((*SEND_ERRORS, *RUN_ERRORS, *ANSWER_ERRORS, *CHAT_ERRORS, *missing))
        return [
            Endpoint(
                "POST",
                "/v1/responses",
                "Ask an agent with OpenAI's responses",
                "chat",
                self.create_response,
                audited=False,
                checks_caller=True,
                body="ResponseRequest",
                parameters=(IDEMPOTENCY_KEY,),
                answers={200: response},
                errors=tuple(errors),
                open_errors=(502,),
            ),
            Endpoint(
                "GET",
                ONE,
                "Read a response, or follow it",
                "chat",
                self.get_response,
                parameters=(STREAM, AFTER),
                answers={200: response},
                errors=missing,
            ),
            Endpoint(
                "POST",
                f"{ONE}/cancel",
                "Cancel a response",
                "chat",
                self.cancel_response,
                answers={200: "Response"},
                errors=missing,
            ),
            Endpoint(
                "DELETE",
                ONE,
                "Delete a response with its conversation, if the conversation has no other response",
                "chat",
                self.delete_response,
                answers={200: "DeletedResponse"},
                errors=(*missing, "response_in_conversation"),
            ),
            Endpoint(
                "GET",
                f"{ONE}/input_items",
                "List the input items of a response",
                "chat",
                self.list_input_items,
                answers={200: "ResponseItems"},
                errors=missing,
            ),
        ]

    # --- making ------------------------------------------------------------------------------------

    async def create_response(self, request: Request, caller: Principal) -> ASGIApp:
        from millrace.protocols.openai.response_requests import ResponseRequest

        given = await read_body(request, ResponseRequest, BODY_BYTES)
        given.check()
        async with naming_models(given.model), naming_responses(given.previous_response_id):
            if answered := await answered_part(self.platform.stores, request, caller, given.results()):
                return await self._respond(request, given, *answered)
            conversation_id = await self._conversation(request, caller, given)
            message = self._message(request, given)
            if given.background and not given.stream:
                run = await converse_later(self.platform, caller, conversation_id, message)
                if isinstance(run, Run):
                    return JSONResponse(await self._read(request, run, 0), headers={"x-run-id": run.id})
                return await self._joined_run(request, caller, given, run.run_id)
            sent = await converse(self.platform, caller, conversation_id, message, deadline(request))
        if isinstance(sent, RunStream):
            return await self._respond(request, given, sent, 0)
        return await self._joined_run(request, caller, given, sent.run_id)

    async def _conversation(self, request: Request, caller: Principal, given: "ResponseRequest") -> str:
        if given.previous_response_id:
            from millrace.protocols.openai.envelope import parse_response_id

            # One read for both the response and the caller's access to the conversation.
            run_id, _ = parse_response_id(given.previous_response_id)
            run = await self.platform.stores.runs.get(caller.organization, run_id)
            return run.slot.conversation_id
        return given.conversation_id or conversation_of(request, caller, "conv")

    def _message(self, request: Request, given: "ResponseRequest") -> NewMessage:
        from millrace.protocols.openai.requests import agent_of
        from millrace.services.runs.run_options import RunOptions

        question, earlier = given.question()
        return NewMessage(
            question,
            agent_of(given.model),
            idempotency_key=idempotency_key(request, None),
            if_busy=given.if_busy,
            response_schema=given.response_schema(),
            branch=given.branch(),
            options=RunOptions(
                instructions=given.all_instructions(),
                max_tokens=given.max_output_tokens,
                client_tools=given.client_tools(),
                earlier=earlier,
                request=given.echo(),
            ),
        )

    async def _joined_run(
        self, request: Request, caller: Principal, given: "ResponseRequest", run_id: str
    ) -> ASGIApp:
        """Return the response of the run that received a live message."""
        stream = await rejoin(self.platform.stores, caller, run_id, 0, deadline(request))
        if stream is None:
            raise NotFound("The run is over.", code="response_not_found")
        return await self._respond(request, given, stream, 0)

    async def _respond(
        self, request: Request, given: "ResponseRequest", stream: RunStream, after: int
    ) -> ASGIApp:
        if given.stream:
            return self._stream(request, stream, after, None)
        if given.background:
            return JSONResponse(await self._read(request, stream.run, after))
        return self._json(request, stream.run, after, await whole(part_of(stream, after)))

    # --- reading -----------------------------------------------------------------------------------

    async def get_response(self, request: Request, caller: Principal) -> ASGIApp:
        run, after = await self._find_run(caller, request.path_params["response_id"])
        if request.query_params.get("stream", "").lower() not in ("true", "1"):
            return JSONResponse(await self._read(request, run, after))
        from millrace.protocols.openai.numbers import chunk_of

        given = request.query_params.get("starting_after")
        number = whole_number(request, "starting_after", 0, 0, NUMBERS) if given else None
        seen = chunk_of(run.id, number) if number else None
        behind = max(after, seen.seq if seen else 0)
        stream = await rejoin(self.platform.stores, caller, run.id, behind, deadline(request))
        if stream is None:  # nothing is left, but OpenAI's clients do not expect a 204
            stream = RunStream(run, _nothing())
        return self._stream(request, stream, after, seen)

    async def cancel_response(self, request: Request, caller: Principal) -> Response:
        run, after = await self._find_run(caller, request.path_params["response_id"])
        try:
            await stop(self.platform.stores, caller, run.slot, run.id)
        except Conflict:  # it has already ended
            return JSONResponse(await self._read(request, run, after))
        stream = await rejoin(self.platform.stores, caller, run.id, after, deadline(request))
        events = await whole(part_of(stream, after)) if stream else []
        return self._json(request, run, after, events)

    async def delete_response(self, request: Request, caller: Principal) -> Response:
        from millrace.services.runs.delete import delete_conversation

        response_id = request.path_params["response_id"]
        run, _ = await self._find_run(caller, response_id)
        found = await authorize(self.platform.stores, caller, run.slot, "own")
        lease = await self.platform.stores.leases.peek(run.slot)
        if run.previous_id or run.slot.thread_id or lease.newest() != run.id:
            raise Conflict(
                "The response is part of a conversation; delete the conversation "
                f"{run.slot.conversation_id}.",
                code="response_in_conversation",
                conversationId=run.slot.conversation_id,
            )
        await delete_conversation(self.platform.stores, run.slot, found)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    async def list_input_items(self, request: Request, caller: Principal) -> Response:
        from millrace.api.openai_items import input_items

        run, after = await self._find_run(caller, request.path_params["response_id"])
        items = await input_items(self.platform.stores, run, after)
        ids = [item["id"] for item in items] or [""]
        listed = {"first_id": ids[0], "last_id": ids[-1], "has_more": False}
        return JSONResponse({"object": "list", "data": items} | listed)

    async def _find_run(self, caller: Principal, response_id: str) -> tuple[Run, int]:
        """Return the run of a response and the event after which the response begins. Raises `NotFound`."""
        from millrace.protocols.openai.envelope import parse_response_id, unknown_response

        run_id, after = parse_response_id(response_id)
        try:
            return await authorize_run(self.platform.stores, caller, run_id), after
        except NotFound as error:
            raise unknown_response(response_id) from error

    async def _read(self, request: Request, run: Run, after: int) -> dict[str, Any]:
        """Return the current state of the response from the log or, if that has expired, from the history."""
        from millrace.stores.runs import stream_of

        log = stream_of(run.slot.organization, run.id)
        events = await self.platform.stores.log.read(log)
        body = self._body(request, run, after, events)
        now = await self.platform.stores.runs.get(run.slot.organization, run.id)
        if body["status"] in ("queued", "in_progress") and now.ended_at:
            from millrace.api.openai_items import kept_response

            return await kept_response(self.platform.stores, now, after, detail_of(request, "full"))
        return body

    def _body(self, request: Request, run: Run, after: int, events: list[LogEntry]) -> dict[str, Any]:
        from millrace.protocols.openai.responses import ResponseProjection

        detail = capped(detail_of(request, OPENAI_RESPONSES.detail), run.visibility)
        projection = ResponseProjection(run, detail, after)
        for entry in events:
            projection.chunks(entry)
        return projection.snapshot()

    def _json(self, request: Request, run: Run, after: int, events: list[LogEntry]) -> Response:
        return JSONResponse(self._body(request, run, after, events), headers={"x-run-id": run.id})

    def _stream(self, request: Request, stream: RunStream, after: int, seen: ChunkId | None) -> ASGIApp:
        begins = ChunkId(EventId(stream.run.id, after)) if after else None
        options = {"after": str(after)}
        return protocol_stream(
            request,
            OPENAI_RESPONSES,
            replace(part_of(stream, after), seen=0),
            options=options,
            seen=seen or begins,
        )


async def _nothing() -> Any:
    for _ in ():
        yield []
