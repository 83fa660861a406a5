"""A message to a slot with an active run: refused, added to the run, or sent after the run is stopped."""

import asyncio
from functools import partial

from millrace.domain.content import Block
from millrace.domain.conversations import Slot
from millrace.errors import Conflict, InvalidRequest, Unavailable
from millrace.services.runs.active_model import check_of_run
from millrace.services.runs.agent_choice import agent_for
from millrace.services.runs.attachments import kept_blocks
from millrace.services.runs.branches import find_parent
from millrace.services.runs.initial_state import InitialState
from millrace.services.runs.inject import accepted, check
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun
from millrace.services.runs.replies import reply_to_waiting, run_waiting
from millrace.services.runs.stop import end_stopped, stop_run
from millrace.stores.connect import Stores
from millrace.stores.idempotency import Marker, Repeated
from millrace.stores.injections import Injection, NoActiveRun, injection_of, new_injection

INTERRUPT_SECONDS = 10.0
ENDING_SECONDS = 0.5
"""Seconds between checks of a run that accepts no live messages any more, because it has ended or is being
stored."""


async def when_busy(
    stores: Stores, models: Models, slot: Slot, initial: InitialState, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    """Handle a message according to its `if_busy`. Return None if the run has ended, so that another may
    begin.

    Raises `Conflict`, `InvalidRequest`, `TooManyRequests` or `Unavailable`.
    """
    run_id = initial.snapshot.lease_record.run_id or ""
    if message.if_busy == "inject" and message.response_schema is not None:
        raise InvalidRequest(
            "A live message cannot have a responseSchema: the agent is working on another answer. Wait for "
            "it, or send with ifBusy interrupt.",
            code="not_for_live_messages",
        )
    if message.if_busy == "inject" and message.branch is not None and message.branch.run_id != run_id:
        raise InvalidRequest(
            "A live message belongs to the answer that is under way, so it cannot have a parentId. Wait for "
            "the "
            "answer, or send with ifBusy interrupt.",
            code="not_for_live_messages",
        )
    if initial.snapshot.lease_record.parked == "waiting" and message.if_busy != "interrupt":
        return await to_waiting(stores, models, slot, run_id, message)
    if message.if_busy == "inject":
        return await give_live(stores, models, slot, run_id, message)
    if message.if_busy == "interrupt":
        # A message that cannot begin a run must not stop one, so its files are stored first.
        agent = agent_for(models, initial, message)
        # A message can always continue after the end of the run that it interrupts.
        if message.branch is None or message.branch.run_id != run_id:
            await find_parent(stores, slot, initial.snapshot, message.branch)
        check = partial(models.check_accepted, agent)
        await kept_blocks(stores, slot, message.created_by, message.content, check)
        await _interrupt(stores, slot, run_id)
        return None
    raise run_active(run_id, "Wait, stop it, or send with ifBusy inject or interrupt.")


async def to_waiting(
    stores: Stores, models: Models, slot: Slot, run_id: str, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    """Send a message to a run that waits for people. Return None if it does not wait any more."""
    if message.if_busy == "reject":
        raise await run_waiting(stores, slot, run_id)
    content = await _live_content(stores, models, slot, run_id, message)
    live, marker = new_injection(content, message.created_by, stores.clock()), message.marker()
    try:
        found = await reply_to_waiting(stores, slot, run_id, live, marker)
    except Repeated as repeated:
        return await replay(stores, slot, message, repeated)
    return AcceptedMessage(live, run_id) if found else None


async def _live_content(
    stores: Stores, models: Models, slot: Slot, run_id: str, message: NewMessage
) -> list[Block]:
    """Return the content of a live message, after validating it and storing its files.

    Raises as `kept_blocks` does.
    """
    check(message.content)
    taken = await check_of_run(stores, models, slot, run_id, message.content)
    return await kept_blocks(stores, slot, message.created_by, message.content, taken)


async def give_live(
    stores: Stores, models: Models, slot: Slot, run_id: str, message: NewMessage
) -> AcceptedMessage | ReplayedRun | None:
    """Send a message to a working run. Return None if it has ended, or accepts no live messages any more."""
    content = await _live_content(stores, models, slot, run_id, message)
    live, marker = new_injection(content, message.created_by, stores.clock()), message.marker()
    try:
        return AcceptedMessage(
            await accepted(stores, slot, partial(_accept, stores, slot, live, run_id, marker)), run_id
        )
    except Repeated as repeated:
        return await replay(stores, slot, message, repeated)
    except NoActiveRun:
        await asyncio.sleep(ENDING_SECONDS)
        return None


async def _accept(
    stores: Stores, slot: Slot, live: Injection, run_id: str, marker: Marker | None, alive: bool
) -> Injection:
    if marker is None:
        return await stores.injections.accept(slot, live, run_id, alive=alive)
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


def run_active(run_id: str, advice: str) -> Conflict:
    """Return the error for a message to a slot with an active run."""
    return Conflict(f"The agent is still answering. {advice}", code="run_active", runId=run_id)


async def replay(
    stores: Stores, slot: Slot, message: NewMessage, repeated: Repeated
) -> ReplayedRun | AcceptedMessage:
    """Return the answer to the key's first request, whatever happened since."""
    marker = message.marker()
    if marker is None or repeated.fingerprint != marker.fingerprint:
        raise InvalidRequest(
            "This idempotency key was used for another message; use a new key.",
            code="idempotency_key_reused",
        )
    if repeated.injection:
        return AcceptedMessage(injection_of(repeated.injection), repeated.run_id)
    return ReplayedRun(await stores.runs.get(slot.organization, repeated.run_id))
