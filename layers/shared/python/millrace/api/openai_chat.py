"""OpenAI's chat completions and models: agents as models named `agent:<id>`.

A request is a run. Its messages form a new conversation, unless `metadata.conversation_id` names one of ours.
The agent's own tools run here, the client's functions in the client.
"""

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.answers import RUN_ERRORS, error_of, is_over
from millrace.api.approvals import ANSWER_ERRORS
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, read_body
from millrace.api.messages import SEND_ERRORS, idempotency_key
from millrace.api.openai_requests import (
    BODY_BYTES,
    CHAT_ERRORS,
    answered_part,
    conversation_of,
    naming_models,
    settled_batches,
    whole,
)
from millrace.api.operation import Answer
from millrace.api.parameters import IDEMPOTENCY_KEY
from millrace.api.protocol_streams import protocol_stream
from millrace.api.resume import detail_of
from millrace.domain.access import Principal
from millrace.domain.event_ids import EventId
from millrace.domain.projection import capped, settled
from millrace.errors import InvalidRequest
from millrace.protocols.framing import ChunkId
from millrace.protocols.table import OPENAI_CHAT
from millrace.services.runs.converse import RunStream, converse, part_of
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform

if TYPE_CHECKING:  # imported only when a client calls
    from millrace.domain.agents import Agent
    from millrace.protocols.openai.chat_requests import ChatCompletionRequest

MOST_MODELS = 1000


class OpenAiChat(Struct, frozen=True):
    """The endpoints of chat completions and models."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        completion = Answer("ChatCompletion", events="ChatCompletionChunk", headers=("x-run-id",))
        return [
            Endpoint(
                "GET",
                "/v1/models",
                "List the agents as OpenAI's clients list models",
                "chat",
                self.list_models,
                answers={200: "ModelList"},
            ),
            Endpoint(
                "GET",
                "/v1/models/{model}",
                "Read an agent as OpenAI's clients read a model",
                "chat",
                self.get_model,
                answers={200: "Model"},
                errors=("model_not_found",),
            ),
            Endpoint(
                "POST",
                "/v1/chat/completions",
                "Ask an agent with OpenAI's chat completions",
                "chat",
                self.create_chat_completion,
                audited=False,
                checks_caller=True,
                body="ChatCompletionRequest",
                parameters=(IDEMPOTENCY_KEY,),
                answers={200: completion},
                errors=tuple(dict.fromkeys((*SEND_ERRORS, *RUN_ERRORS, *ANSWER_ERRORS, *CHAT_ERRORS))),
                open_errors=(502,),
            ),
        ]

    # --- models ------------------------------------------------------------------------------------

    async def list_models(self, request: Request, caller: Principal) -> Response:
        from millrace.services.agents import Agents

        found: list[Agent] = []
        after: str | None = ""
        while after is not None and len(found) < MOST_MODELS:
            page, after = await Agents(self.platform).page(caller, after, 100)
            found += page
        return JSONResponse({"object": "list", "data": [_model(agent) for agent in found]})

    async def get_model(self, request: Request, caller: Principal) -> Response:
        from millrace.protocols.openai.requests import agent_of

        model = request.path_params["model"]
        async with naming_models(model):
            agent = await self.platform.stores.agents.get(caller.organization, agent_of(model))
        return JSONResponse(_model(agent))

    # --- completions -------------------------------------------------------------------------------

    async def create_chat_completion(self, request: Request, caller: Principal) -> ASGIApp:
        from millrace.protocols.openai.chat_requests import ChatCompletionRequest

        given = await read_body(request, ChatCompletionRequest, BODY_BYTES)
        given.check()
        async with naming_models(given.model):
            stream, after = await answered_part(self.platform.stores, request, caller, given.results()) or (
                await self._begin_run(request, caller, given),
                0,
            )
        stream = part_of(stream, after)
        if not given.stream:
            return await self._completion(request, stream, after, given)
        options = {"after": str(after)} | ({"structured": "true"} if given.structured else {})
        if given.stream_options and given.stream_options.include_usage:
            options["usage"] = "true"
        seen = ChunkId(EventId(stream.run.id, after)) if after else None
        return protocol_stream(request, OPENAI_CHAT, settled_batches(stream), options=options, seen=seen)

    async def _begin_run(
        self, request: Request, caller: Principal, given: "ChatCompletionRequest"
    ) -> RunStream:
        conversation_id = given.conversation_id or conversation_of(request, caller, "chat")
        message = self._message(request, given)
        sent = await converse(self.platform, caller, conversation_id, message, deadline(request))
        if not isinstance(sent, RunStream):
            raise InvalidRequest(
                "This idempotency key was used for a live message.", code="idempotency_key_reused"
            )
        return sent

    def _message(self, request: Request, given: "ChatCompletionRequest") -> NewMessage:
        from millrace.protocols.openai.requests import agent_of, schema_of
        from millrace.services.runs.run_options import RunOptions

        question, earlier = given.question()
        return NewMessage(
            question,
            agent_of(given.model),
            idempotency_key=idempotency_key(request, None),
            response_schema=schema_of(given.response_format),
            options=RunOptions(
                instructions=given.instructions(),
                max_tokens=given.max_completion_tokens or given.max_tokens,
                client_tools=given.client_tools(),
                earlier=earlier,
                request=given.echo(),
            ),
        )

    async def _completion(
        self, request: Request, stream: RunStream, after: int, given: "ChatCompletionRequest"
    ) -> Response:
        from millrace.protocols.openai.chat import completion_of

        events = await whole(stream)
        if not is_over(events) or events[-1].type == "error":
            return error_of(request, stream.run, events)
        detail = capped(detail_of(request, OPENAI_CHAT.detail), stream.run.visibility)
        body = completion_of(stream.run, settled(events), detail, after, structured=given.structured)
        return JSONResponse(body, headers={"x-run-id": stream.run.id})


def _model(agent: "Agent") -> dict[str, Any]:
    from millrace.domain.clock import from_iso
    from millrace.protocols.openai.envelope import MODEL

    created = from_iso(agent.created_at) // 1000 if agent.created_at else 0
    return {"id": f"{MODEL}{agent.id}", "object": "model", "created": created, "owned_by": "millrace"}
