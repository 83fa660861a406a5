"""Sending a message to an agent: finds out whether a run may begin, and begins it.

Two round trips to AWS before the model is asked: what is there (conversation, lease and history in one query,
agent and idempotency marker beside it, see `initial_state`), then one transaction that takes the lease and
stores the message.
"""

import asyncio
import random
import time
from dataclasses import replace
from functools import partial

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso
from millrace.domain.content import check_content, plain_text, text_of
from millrace.domain.conversations import MESSAGE_BYTES, Conversation, Slot, StoredMessage, title_of
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.domain.traces import current_traceparent
from millrace.errors import InvalidRequest, TooLarge, Unavailable
from millrace.services.runs.agent_choice import agent_for
from millrace.services.runs.attachments import kept_blocks
from millrace.services.runs.branches import find_parent
from millrace.services.runs.initial_state import InitialState, load_initial_state, load_repeated
from millrace.services.runs.kept_files import Sight, given_up_if_deleted
from millrace.services.runs.model_history import model_history
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun, StartedRun
from millrace.services.runs.output_format import check_response_schema
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.send_busy import INTERRUPT_SECONDS, replay, run_active, when_busy
from millrace.stores.admissions import Admission
from millrace.stores.connect import Stores
from millrace.stores.conversation_items import unknown_conversation
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.dynamo import ConditionFailed, Contended, TransactItem
from millrace.stores.idempotency import Repeated
from millrace.stores.leases import SlotChanged
from millrace.stores.limits import keys_of
from millrace.stores.sizes import text_bytes

RACE_SECONDS = 30.0
"""The time for which a message goes on trying when others are quicker each time."""
RETRY_SECONDS = 0.1


async def send(
    stores: Stores, models: Models, caller: Principal, conversation_id: str, message: NewMessage
) -> StartedRun | ReplayedRun | AcceptedMessage:
    """Begins a run for a message. Raises `NotFound`, `InvalidRequest`, `TooLarge`, `Conflict` (`run_active`),
    `TooManyRequests` at a limit, `Forbidden` for an agent that is stopped, or `Unavailable`, all before
    anything is stored.

    Of many that interrupt each other each begins a run, in some order. One that is late too often gets
    `run_active`, and leaves the run that it names alone: whoever has stopped a run begins the next."""
    if message.asks_again:
        _check_again(message)
    else:
        check_content(message.content)
        _check_size(text_of(message.content))
    if message.response_schema is not None:
        check_response_schema(message.response_schema)
    message = replace(message, created_by=caller.id)
    slot = Slot.of(caller.organization, conversation_id, message.thread_id)
    async with given_up_if_deleted(stores, slot, caller.id, message.content, existed=False) as sight:
        return await _sent(stores, models, caller, slot, message, sight)


async def _sent(
    stores: Stores, models: Models, caller: Principal, slot: Slot, message: NewMessage, sight: Sight
) -> StartedRun | ReplayedRun | AcceptedMessage:
    asking = Admission(message.options.run_id or new_id("run"), iso(stores.clock()))
    try:
        sent = await _attempts(stores, models, caller, slot, message, sight, asking)
    except BaseException:
        await asyncio.shield(stores.limits.give_back(caller.organization, asking))
        raise
    if not isinstance(sent, StartedRun):
        await stores.limits.give_back(caller.organization, asking)
    return sent


async def _attempts(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    message: NewMessage,
    sight: Sight,
    asking: Admission,
) -> StartedRun | ReplayedRun | AcceptedMessage:
    late = time.monotonic() + RACE_SECONDS
    while time.monotonic() < late + INTERRUPT_SECONDS:
        initial = await load_initial_state(
            stores, caller, slot, message.agent_id, message.idempotency_key, message.default_agent_id, asking
        )
        initial.standing.control.check_caller(caller)
        sight.existed |= initial.exists
        if initial.repeated:
            if message.is_edit and await _is_past(stores, slot, initial.repeated):
                message = message.once_more(initial.repeated.run_id)
                continue
            return await replay(stores, slot, message, initial.repeated)
        active = initial.snapshot.lease_record.run_id is not None
        if message.if_busy == "interrupt" or not active:
            agent_id = initial.agent.id if initial.agent else ""
            initial.standing.check(agent_id, stores.clock(), replaces=active)
        if active:
            if answer := await _beside_active(stores, models, slot, initial, message, late):
                return answer
            await stores.limits.give_back(caller.organization, asking)
            asking.started_at = iso(stores.clock())
            continue
        try:
            if begun := await _begin_counted(stores, models, caller, slot, initial, message, asking):
                return begun
        except Repeated as repeated:
            return await replay(stores, slot, message, repeated)
        except (SlotChanged, Contended):
            await asyncio.sleep(random.uniform(0, RETRY_SECONDS))
    raise Unavailable("The conversation is written by many at once; try again.", retry_after=1)


async def _is_past(stores: Stores, slot: Slot, repeated: Repeated) -> bool:
    """Return whether another run has come behind the one that a key stands for. To be asked after the key was
    read: a run and its key are written together."""
    if repeated.injection:
        return False
    return (await stores.leases.peek(slot)).newest() != repeated.run_id


async def _beside_active(
    stores: Stores, models: Models, slot: Slot, initial: InitialState, message: NewMessage, late: float
) -> AcceptedMessage | ReplayedRun | None:
    """None: the run is over by now, so another may begin."""
    lease = initial.snapshot.lease_record
    if lease.lost(stores.clock()):
        await notice_lost_run(stores, slot, lease)
    # The run that is active may be this very key's, begun between the two reads.
    if repeated := await load_repeated(stores, slot, message.idempotency_key):
        return await replay(stores, slot, message, repeated)
    if time.monotonic() > late:
        raise run_active(lease.run_id or "", "Others were quicker each time; send it again.")
    return await when_busy(stores, models, slot, initial, message)


def _check_size(content: str) -> None:
    size = text_bytes(content)
    if size > MESSAGE_BYTES:
        raise TooLarge(
            f"The message has {size:,} bytes; it must not exceed {MESSAGE_BYTES:,} bytes of UTF-8.",
            code="message_too_large",
            limit=MESSAGE_BYTES,
        )


def _check_again(message: NewMessage) -> None:
    if message.if_busy == "inject":
        raise InvalidRequest(
            "An answer that is asked for once more cannot be a live message; wait, or use ifBusy interrupt.",
            code="not_for_live_messages",
        )


async def _begin_counted(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    initial: InitialState,
    message: NewMessage,
    asking: Admission,
) -> StartedRun | None:
    """None where a limit refused it: it is asked first the next time, and says which it is."""
    if asking.first and not initial.exists:
        await stores.conversation_counts.check(caller.organization, caller.id, initial.standing.control)
    try:
        return await _begin(stores, models, caller, slot, initial, message, asking)
    except ConditionFailed:
        asking.first = True
        return None


async def _begin(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    initial: InitialState,
    message: NewMessage,
    asking: Admission,
) -> StartedRun:
    if message.branch and message.branch.is_message and not initial.exists:
        raise unknown_conversation()
    snapshot, agent = initial.snapshot, agent_for(models, initial, message)
    parent = await find_parent(stores, slot, snapshot, message.branch)
    provider, model = models.provider_for(agent)
    now = iso(stores.clock())
    run = Run(
        id=asking.run_id,
        slot=slot,
        agent_id=agent.id,
        agent_name=agent.name,
        model=models.name_of(agent),
        visibility=agent.visibility,
        state="running",
        started_at=asking.started_at,
        message_id=new_id("msg"),
        owner=initial.owner,
        created_by=caller.id,
        hops=current_hops(),
        traceparent=current_traceparent(),
        request=message.options.request,
    )
    question = None if message.asks_again else await _question(stores, models, agent, run, message, now)
    known = snapshot.conversation
    title = known.title if known and known.title else title_of(_text(message, question))
    conversation = Conversation(slot.conversation_id, agent.id, title, now, now, initial.owner)
    earlier: list[StoredMessage] = []
    if message.options.earlier and not snapshot.lease_record.messages:
        earlier = await message.options.earlier_messages(stores, slot, now, caller.id)
    new = [*earlier, question] if question else earlier
    history = asyncio.create_task(_history(stores, slot, snapshot, parent, new))
    try:
        lease = await stores.leases.begin(
            run,
            new_id("env"),
            conversation,
            question,
            snapshot.lease_record,
            message.marker(),
            RunDefinition(
                "agent",
                agent.model_copy(update={"model": run.model}),
                caller,
                client_tools=message.options.client_tools,
            ),
            earlier=earlier,
            more=[
                *(await message.writes(run) if message.writes else ()),
                *stores.limits.writes(caller.organization, keys_of(run), initial.standing, asking),
                *([] if initial.exists else _counting(stores, caller, initial)),
                *initial.noted,
            ],
            parent=parent,
        )
    except BaseException:
        history.cancel()
        raise
    return StartedRun(
        lease,
        caller,
        agent,
        provider,
        model,
        history,
        snapshot.lease_record.pending_live_messages,
        message.options.client_tools,
    )


def _counting(stores: Stores, caller: Principal, initial: InitialState) -> list[TransactItem]:
    """The writes that count the conversation which the message begins."""
    control = initial.standing.control
    return stores.conversation_counts.creation(caller.organization, caller.id, control)


async def _question(
    stores: Stores, models: Models, agent: Agent, run: Run, message: NewMessage, now: str
) -> StoredMessage:
    check = partial(models.check_accepted, agent)
    content = await kept_blocks(stores, run.slot, run.created_by, message.content, check)
    if message.client_data:
        content = [content[0] | {"providerData": message.client_data}, *content[1:]]
    return StoredMessage(new_id("msg"), "user", content, now, run.id, created_by=run.created_by)


def _text(message: NewMessage, question: StoredMessage | None) -> str:
    return text_of(message.content).strip() or (plain_text(question.content) if question else "")


async def _history(
    stores: Stores,
    slot: Slot,
    snapshot: ConversationSnapshot,
    parent: int | None,
    new: list[StoredMessage],
) -> list[StoredMessage]:
    return [*await model_history(stores, slot, snapshot, parent), *new]
