"""Sending a message to an agent: finds out whether a run may begin, and begins it.

Two round trips to AWS before the model is asked: what is there (conversation, lease and history in one query,
agent and idempotency marker beside it, see `initial_state`), then one transaction that takes the lease and
stores the message.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import orjson

from millrace.agent.model import Provider
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso
from millrace.domain.conversations import MESSAGE_BYTES, Conversation, Slot, StoredMessage, title_of
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.errors import Conflict, InvalidRequest, TooLarge, Unavailable
from millrace.services.runs.initial_state import InitialState, load_initial_state, load_repeated
from millrace.services.runs.inject import accepted, check
from millrace.services.runs.model_history import model_history
from millrace.services.runs.models import Models
from millrace.services.runs.output_format import check_response_schema
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.replies import reply_to_waiting, run_waiting
from millrace.services.runs.stop import end_stopped, stop_run
from millrace.stores.connect import Stores
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.dynamo import Contended
from millrace.stores.idempotency import Marker, Repeated
from millrace.stores.injections import Injection, NoActiveRun, injection_of, new_injection
from millrace.stores.lease_record import Lease
from millrace.stores.leases import SlotChanged
from millrace.stores.sizes import text_bytes

IfBusy = Literal["reject", "inject", "interrupt"]
RACE_SECONDS = 30.0
"""The time for which a message goes on trying when others are quicker each time."""
INTERRUPT_SECONDS = 10.0
RETRY_SECONDS = 0.1
ENDING_SECONDS = 0.5
"""Between looks at a run that takes no live messages any more: it has ended just now, or is being stopped."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as a client sends it. `if_busy` says what happens when a run is active; `send` sets
    `created_by`."""

    content: str
    agent_id: str | None = None
    thread_id: str | None = None
    idempotency_key: str | None = None
    if_busy: IfBusy = "reject"
    created_by: str = ""
    response_schema: dict[str, Any] | None = None

    def marker(self) -> Marker | None:
        """The idempotency key with a fingerprint that is the same for the same request."""
        if not self.idempotency_key:
            return None
        parts = "\0".join((self.content, self.agent_id or "", self.thread_id or ""))
        if self.response_schema is not None:
            parts += "\0" + orjson.dumps(self.response_schema, option=orjson.OPT_SORT_KEYS).decode()
        return Marker(self.idempotency_key, hashlib.sha256(parts.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that this process now holds and must execute, in the name of `user`. The large messages of the
    `history` are read while the run begins. `pending_live_messages`: live messages that
    an earlier run ended without may still wait."""

    lease: Lease
    user: Principal
    agent: Agent
    provider: Provider
    model: str
    history: Awaitable[list[StoredMessage]]
    pending_live_messages: bool


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """The idempotency key was used before: its run is there to follow."""

    run: Run


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """The message went to the active run (`ifBusy: inject`)."""

    injection: Injection
    run_id: str


async def send(
    stores: Stores, models: Models, caller: Principal, conversation_id: str, message: NewMessage
) -> StartedRun | ReplayedRun | AcceptedMessage:
    """Begins a run for a message. Raises `NotFound`, `InvalidRequest`, `TooLarge`, `Conflict` (`run_active`)
    or `Unavailable`, all before anything is stored.

    Of many that interrupt each other each begins a run, in some order. One that is late too often gets
    `run_active`, and leaves the run that it names alone: whoever has stopped a run begins the next."""
    _check_size(message.content)
    if message.response_schema is not None:
        check_response_schema(message.response_schema)
    message = replace(message, created_by=caller.id)
    slot = Slot.of(caller.organization, conversation_id, message.thread_id)
    late = time.monotonic() + RACE_SECONDS
    while time.monotonic() < late + INTERRUPT_SECONDS:
        initial = await load_initial_state(stores, caller, slot, message.agent_id, message.idempotency_key)
        if initial.repeated:
            return await _replay(stores, slot, message, initial.repeated)
        if initial.snapshot.lease_record.run_id:
            if answer := await _beside_active(stores, models, slot, initial, message, late):
                return answer
            continue
        try:
            return await _begin(stores, models, caller, slot, initial, message)
        except Repeated as repeated:
            return await _replay(stores, slot, message, repeated)
        except (SlotChanged, Contended):
            await asyncio.sleep(random.uniform(0, RETRY_SECONDS))
    raise Unavailable("The conversation is written by many at once; try again.", retry_after=1)


async def _beside_active(
    stores: Stores, models: Models, slot: Slot, initial: InitialState, message: NewMessage, late: float
) -> AcceptedMessage | ReplayedRun | None:
    """None: the run is over by now, so another may begin."""
    lease = initial.snapshot.lease_record
    if lease.lost(stores.clock()):
        await notice_lost_run(stores, slot, lease)
    # The run that is active may be this very key's, begun between the two reads.
    if repeated := await load_repeated(stores, slot, message.idempotency_key):
        return await _replay(stores, slot, message, repeated)
    if time.monotonic() > late:
        raise _run_active(lease.run_id or "", "Others were quicker each time; send it again.")
    return await _when_busy(stores, models, slot, initial, message)


def _check_size(content: str) -> None:
    size = text_bytes(content)
    if size > MESSAGE_BYTES:
        raise TooLarge(
            f"The message has {size:,} bytes; it must not exceed {MESSAGE_BYTES:,} bytes of UTF-8.",
            code="message_too_large",
            limit=MESSAGE_BYTES,
        )


async def _replay(
    stores: Stores, slot: Slot, message: NewMessage, repeated: Repeated
) -> ReplayedRun | AcceptedMessage:
    """Return the answer to the key's first request, whatever has become of it since."""
    marker = message.marker()
    if marker is None or repeated.fingerprint != marker.fingerprint:
        raise InvalidRequest(
            "This idempotency key was used for another message; take a new key.",
            code="idempotency_key_reused",
        )
    if repeated.injection:
        return AcceptedMessage(injection_of(repeated.injection), repeated.run_id)
    return ReplayedRun(await stores.runs.get(slot.organization, repeated.run_id))


async def _when_busy(
    stores: Stores, models: Models, slot: Slot, initial: InitialState, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    """None: the run is over by now, so another may begin."""
    run_id = initial.snapshot.lease_record.run_id or ""
    if message.if_busy == "inject" and message.response_schema is not None:
        raise InvalidRequest(
            "A live message cannot have a responseSchema: the agent is at work on another answer. Wait for "
            "it, or send with ifBusy interrupt.",
            code="not_for_live_messages",
        )
    if initial.snapshot.lease_record.parked == "waiting" and message.if_busy != "interrupt":
        return await _to_waiting(stores, slot, run_id, message)
    if message.if_busy == "inject":
        return await _inject(stores, slot, run_id, message)
    if message.if_busy == "interrupt":
        agent = _agent_of(initial)  # what cannot begin must not stop anything
        models.provider_for(agent)
        models.compactor_for(agent)
        await _interrupt(stores, slot, run_id)
        return None
    raise _run_active(run_id, "Wait, stop it, or send with ifBusy inject or interrupt.")


async def _to_waiting(
    stores: Stores, slot: Slot, run_id: str, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    """A message to a run that waits for people. None: it does not wait any more."""
    if message.if_busy == "reject":
        raise await run_waiting(stores, slot, run_id)
    check(message.content)
    live, marker = new_injection(message.content, message.created_by, stores.clock()), message.marker()
    try:
        found = await reply_to_waiting(stores, slot, run_id, live, marker)
    except Repeated as repeated:
        return await _replay(stores, slot, message, repeated)
    return AcceptedMessage(live, run_id) if found else None


def _run_active(run_id: str, advice: str) -> Conflict:
    return Conflict(f"The agent is still answering. {advice}", code="run_active", runId=run_id)


def _agent_of(initial: InitialState) -> Agent:
    if initial.agent is None:
        raise InvalidRequest("A new conversation needs an agentId.", code="agent_required")
    return initial.agent


async def _inject(
    stores: Stores, slot: Slot, run_id: str, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    check(message.content)
    live, marker = new_injection(message.content, message.created_by, stores.clock()), message.marker()
    try:
        return AcceptedMessage(
            await accepted(stores, slot, partial(_accept, stores, slot, live, run_id, marker)), run_id
        )
    except Repeated as repeated:
        return await _replay(stores, slot, message, repeated)
    except NoActiveRun:
        await asyncio.sleep(ENDING_SECONDS)
        return None


async def _accept(
    stores: Stores, slot: Slot, live: Injection, run_id: str, marker: Marker | None, alive: bool
) -> Injection:
    if marker is None:
        return await stores.injections.accept(slot, live, alive=alive)
    return await stores.injections.accept_sent(slot, live, run_id, marker, alive=alive)


async def _interrupt(stores: Stores, slot: Slot, run_id: str) -> None:
    await stop_run(stores, slot, "interrupted", run_id)
    waited = 0.0
    while waited < INTERRUPT_SECONDS:
        await asyncio.sleep(0.1)
        waited += 0.1
        lease = await stores.leases.peek(slot)
        if lease.run_id != run_id:
            return
        if lease.free(stores.clock()):
            await end_stopped(stores, slot, lease)
    raise Unavailable("The run does not stop; try again.", code="still_running", retry_after=5)


async def _begin(
    stores: Stores, models: Models, caller: Principal, slot: Slot, initial: InitialState, message: NewMessage
) -> StartedRun:
    snapshot, agent = initial.snapshot, _agent_of(initial)
    if message.response_schema is not None:
        agent = agent.model_copy(update={"response_schema": message.response_schema})
    provider, model = models.provider_for(agent)
    models.compactor_for(agent)  # one that is not there is told before anything is stored
    now = iso(stores.clock())
    run = Run(
        id=new_id("run"),
        slot=slot,
        agent_id=agent.id,
        agent_name=agent.name,
        model=models.name_of(agent),
        visibility=agent.visibility,
        state="running",
        started_at=now,
        message_id=new_id("msg"),
        owner=initial.owner,
        created_by=caller.id,
        hops=current_hops(),
    )
    text = [{"text": message.content}]
    question = StoredMessage(new_id("msg"), "user", text, now, run.id, created_by=caller.id)
    known = snapshot.conversation
    title = known.title if known and known.title else title_of(message.content)
    conversation = Conversation(slot.conversation_id, agent.id, title, now, now, initial.owner)
    history = asyncio.create_task(_history(stores, slot, snapshot, question))
    try:
        lease = await stores.leases.begin(
            run,
            new_id("env"),
            conversation,
            question,
            snapshot.lease_record,
            message.marker(),
            RunDefinition("agent", agent.model_copy(update={"model": run.model}), caller),
        )
    except BaseException:
        history.cancel()
        raise
    return StartedRun(
        lease, caller, agent, provider, model, history, snapshot.lease_record.pending_live_messages
    )


async def _history(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, question: StoredMessage
) -> list[StoredMessage]:
    return [*await model_history(stores, slot, snapshot), question]
