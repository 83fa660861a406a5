"""Sending of a message to an agent: check whether a run may begin, and begin it.

Two round trips to AWS precede the first byte of an answer: one reads the state (conversation, lease and
history in one query, with agent and idempotency marker concurrently, see `initial_state`), and one
transaction takes the lease and stores the message. A run with a head start asks its model during the second.
"""

import asyncio
import random
import time

from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.content import check_content, text_of
from millrace.domain.conversations import MESSAGE_BYTES, Slot
from millrace.domain.ids import new_id
from millrace.errors import InvalidRequest, TooLarge, Unavailable
from millrace.services.runs.begin_run import begin_counted
from millrace.services.runs.initial_state import InitialState, load_initial_state, load_repeated
from millrace.services.runs.kept_files import Sight, given_up_if_deleted
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun, StartedRun
from millrace.services.runs.output_format import check_response_schema
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.send_busy import INTERRUPT_SECONDS, replay, run_active, when_busy
from millrace.stores.admissions import Admission
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Contended
from millrace.stores.idempotency import Repeated
from millrace.stores.leases import SlotChanged
from millrace.stores.sizes import text_bytes

RACE_SECONDS = 30.0
"""The time for which a message keeps trying while others are faster each time."""
RETRY_SECONDS = 0.1


async def send(
    stores: Stores, models: Models, caller: Principal, conversation_id: str, message: NewMessage
) -> StartedRun | ReplayedRun | AcceptedMessage:
    """Begin a run for a message.

    Raises `NotFound`, `InvalidRequest`, `TooLarge`, `Conflict` (`run_active`), `TooManyRequests` at a limit,
    `Forbidden` for a stopped agent, or `Unavailable`, all before anything is stored.

    Of several messages that interrupt each other, each begins a run, in some order. A message that is late
    too often gets `run_active`, and does not stop the named run: the message that stops a run begins the next
    one.
    """
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
            if begun := await begin_counted(stores, models, caller, slot, initial, message, asking):
                return begun
        except Repeated as repeated:
            return await replay(stores, slot, message, repeated)
        except (SlotChanged, Contended):
            # Other messages are faster, so each head start would waste a call of the model.
            message = replace(message, head_start=None)
            await asyncio.sleep(random.uniform(0, RETRY_SECONDS))
    raise Unavailable("There are too many concurrent writes to the conversation; try again.", retry_after=1)


async def _is_past(stores: Stores, slot: Slot, repeated: Repeated) -> bool:
    """Return whether a later run has followed the one that a key stands for.

    Call it after reading the key, because a run and its key are written together.
    """
    if repeated.injection:
        return False
    return (await stores.leases.peek(slot)).newest() != repeated.run_id


async def _beside_active(
    stores: Stores, models: Models, slot: Slot, initial: InitialState, message: NewMessage, late: float
) -> AcceptedMessage | ReplayedRun | None:
    """Handle a message while a run is active. Return None if the run has ended, so that another may begin."""
    lease = initial.snapshot.lease_record
    if lease.lost(stores.clock()):
        await notice_lost_run(stores, slot, lease)
    # The active run may be that of this key, begun between the two reads.
    if repeated := await load_repeated(stores, slot, message.idempotency_key):
        return await replay(stores, slot, message, repeated)
    if time.monotonic() > late:
        raise run_active(lease.run_id or "", "Other messages were faster each time; send it again.")
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
            "A regenerated answer cannot be a live message; wait, or use ifBusy interrupt.",
            code="not_for_live_messages",
        )
