"""Requests of OpenAI's clients: functions that the endpoints of `/v1` share."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec.structs import replace
from starlette.requests import Request

from millrace.api.deadline import deadline
from millrace.api.messages import idempotency_key
from millrace.domain.access import Principal
from millrace.domain.events import LogEntry
from millrace.domain.ids import new_id
from millrace.domain.projection import without_taken_back
from millrace.errors import NotFound
from millrace.services.runs.converse import RunStream, rejoin
from millrace.stores.connect import Stores

BODY_BYTES = 5_500_000
"""Clients send their whole history with each request; Lambda accepts 6 MB."""
CHAT_ERRORS = ("model_not_found", "invalid_tool", "unsupported_parameter")


def conversation_of(request: Request, caller: Principal, prefix: str) -> str:
    """Return the id of a conversation that a request begins. It is always the same for one idempotency key,
    so that a repeated request finds its run."""
    key = idempotency_key(request, None)
    if not key:
        return new_id(prefix)
    text = "\0".join((caller.organization, caller.id, key))
    return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:26].upper()}"


@asynccontextmanager
async def naming_models(model: str) -> AsyncIterator[None]:
    """Report an agent that is not found as an unknown model, as OpenAI's clients expect."""
    from millrace.protocols.openai.requests import unknown_model

    try:
        yield
    except NotFound as error:
        if error.code == "agent_not_found":
            raise unknown_model(model) from error
        raise


@asynccontextmanager
async def naming_responses(response_id: str | None) -> AsyncIterator[None]:
    """Report a run or conversation that is not found as an unknown response, if the request continues a
    response."""
    from millrace.protocols.openai.envelope import unknown_response

    try:
        yield
    except NotFound as error:
        if response_id and error.code in ("run_not_found", "conversation_not_found"):
            raise unknown_response(response_id) from error
        raise


async def answered_part(
    stores: Stores, request: Request, caller: Principal, results: Mapping[str, str]
) -> tuple[RunStream, int] | None:
    """Answer the calls whose results end a request, by their ids at the client. Returns the run's stream and
    the event after which its next part begins; None if no run of ours waited for them."""
    from millrace.protocols.openai.calls import answer_of, parse_call_id
    from millrace.services.runs.answer_results import answer_results

    named = {parse_call_id(id): text for id, text in results.items()}
    run_ids = {run_id for run_id, _ in named}
    if len(run_ids) != 1 or not (run_id := run_ids.pop()):
        return None
    own = {call_id: text for (_, call_id), text in named.items()}
    answered = await answer_results(stores, caller, run_id, own, answer_of)
    if answered is None:
        return None
    run, after = answered
    stream = await rejoin(stores, caller, run.id, after, deadline(request))
    return (stream, after) if stream else None


async def whole(stream: RunStream) -> list[LogEntry]:
    """Return all events of a run, or of its part, once it has ended or waits."""
    events = [entry async for batch in stream.events for entry in batch]
    if stream.on_end:
        await stream.on_end()
    return events


def settled_batches(stream: RunStream) -> RunStream:
    """Return the stream without events that were taken back before they were sent, for a replay of a run that
    was taken over."""
    return replace(stream, events=_settled(stream.events))


async def _settled(events: AsyncIterator[list[LogEntry]]) -> AsyncGenerator[list[LogEntry], None]:
    try:
        async for batch in events:
            yield without_taken_back(batch)
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
