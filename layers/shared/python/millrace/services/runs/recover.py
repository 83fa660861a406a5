"""Runs without a process: enqueued on the run queue, or ended if nothing can continue them."""

import logging

from msgspec.structs import replace

from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.event_ids import EventId
from millrace.domain.events import Event
from millrace.domain.projection import settled
from millrace.domain.runs import LeaseRecord, Run, RunState
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.lost_usage import with_estimated_usage
from millrace.services.runs.outcome import with_outcome
from millrace.services.runs.run_events import missed_end, to_bus
from millrace.services.runs.steps import StepLog
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of

log = logging.getLogger(__name__)

RUN_LOST = "The process that ran the agent is gone; send the message again."


async def notice_lost_run(stores: Stores, slot: Slot, lost: LeaseRecord) -> None:
    """Enqueue a run that has lost its process, at most once in a while.

    If this fails, the next one to notice does it, at the latest the sweep of every minute.
    """
    try:
        if await stores.takeovers.notice(slot, lost):
            await stores.run_queue.enqueue(slot.organization, lost.run_id or "")
    except MillraceError as error:
        log.warning("run %s is lost and was not queued: %s", lost.run_id, error.message)


async def give_up_lost_run(stores: Stores, slot: Slot, lost: LeaseRecord) -> bool:
    """End a run that nothing can continue with `run_lost`. Returns as `end_run` does."""
    run = await stores.runs.get(slot.organization, lost.run_id or "")
    return await end_run(stores, run, lost, "failed", events.error(RUN_LOST, "run_lost", True))


async def end_run(stores: Stores, run: Run, lost: LeaseRecord, state: RunState, last: Event) -> bool:
    """End a run that no process works on: log its last event, store its partial answer, and free the slot.

    Return False if another process has taken over or ended the run.
    """
    ended = replace(
        run,
        state=state,
        error=events.error_facts(last) if last["type"] == "error" else None,
        ended_at=iso(stores.clock()),
        finish_reason=last.get("finishReason", "error"),
    )
    stored = await _end(stores, ended, lost, last)
    if stored is None:
        return False
    await _publish_end(stores, stored)
    await forget_nested_work(stores, stored)
    return True


async def _end(stores: Stores, ended: Run, lost: LeaseRecord, last: Event) -> Run | None:
    """End the run with its partial answer, or without it if that cannot be read or stored.

    So no answer blocks its conversation. Return the stored run, or None if it was not stored.
    """
    try:
        partial = await _partial_answer(stores, ended, lost.saved)
        full = await with_estimated_usage(stores, ended, lost)
        final = last | {"usage": full.usage, "cost": full.cost} if last["type"] == "done" else last
        closed = await stores.approvals.closings(ended.slot, ended.id)
        messages = with_outcome(partial, full)
        return (
            full
            if await stores.run_ends.give_up(full, lost, _last(ended, lost, final), messages, closed)
            else None
        )
    except Unavailable:
        raise
    except Exception:
        log.exception("the partial answer of %s is lost", ended.id)
        return ended if await stores.run_ends.give_up(ended, lost, _last(ended, lost, last), []) else None


def _last(run: Run, lost: LeaseRecord, last: Event) -> list[Event]:
    """Return the last events, which revoke what only the clients of a dead process have seen."""
    return [last] if lost.parked else [*taken_back(run, lost, lost.seq), last]


def taken_back(run: Run, lost: LeaseRecord, after: int) -> list[Event]:
    """Return the events that void everything sent of a run after an event.

    The first event is always kept, and sent again if it was not logged.
    """
    if not lost.seq:
        first = events.start(run.id, run.slot.conversation_id, run.message_id, run.agent_id)
        return [events.rewind(str(EventId(run.id, 0))), first]
    return [events.rewind(str(EventId(run.id, max(after, 1))))]


async def forget_nested_work(stores: Stores, run: Run) -> None:
    """Delete the nested work of a run that has ended.

    If this fails, it is deleted with the conversation.
    """
    try:
        await stores.nested_work.delete(run.slot, run.id)
    except Exception:
        log.exception("the nested work of %s was not deleted", run.id)


async def _publish_end(stores: Stores, ended: Run) -> None:
    """Put the run's end on the bus, because its process cannot.

    If this fails, the check of every minute for silent runs makes up for it.
    """
    try:
        await stores.bus.put([to_bus(missed_end(ended))])
    except Exception:
        log.exception("the end of %s did not reach the bus", ended.id)


async def _partial_answer(stores: Stores, run: Run, saved: int) -> list[StoredMessage]:
    """Return the text and the steps in the log after the event up to which the history has them."""
    logged = settled(await stores.log.read(stream_of(run.slot.organization, run.id), saved))
    steps = StepLog()
    for one in logged:
        steps.watch(one.event)
    said = "".join(e.event["token"] for e in logged if e.type == "token" and "parent" not in e.event)
    shown = steps.drain()
    if not (said or shown):
        return []
    return [
        StoredMessage(
            id=run.message_id,
            role="assistant",
            content=[{"text": said}] if said else [],
            created_at=iso(stores.clock()),
            run_id=run.id,
            interrupted=True,
            steps=shown,
            visibility=run.visibility,
        )
    ]
