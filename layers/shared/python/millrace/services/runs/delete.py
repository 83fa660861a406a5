"""Deletion of a conversation with everything that belongs to it; see `stores.deletions`."""

import asyncio
import contextlib
import logging
import time

from msgspec.structs import replace

from millrace.domain.clock import iso
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.runs import LeaseRecord
from millrace.errors import NotFound
from millrace.services.runs.lost_usage import with_estimated_usage
from millrace.services.runs.run_events import deleted, deleted_run, missed_end, to_bus
from millrace.services.runs.stop import stop_run
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores
from millrace.stores.conversation_items import unknown_conversation
from millrace.stores.deleted_items import runs_of
from millrace.stores.deletions import Deletion, DeletionFinished
from millrace.stores.dynamo import Item

log = logging.getLogger(__name__)
AT_ONCE = 8
OVERDUE_MS = 60_000
RESTORE_MS = 600_000
"""The time in which a restorable deletion can be undone."""
STOP_SECONDS = 5.0
STOP_POLL_SECONDS = 0.1
SWEPT_AT_ONCE = 20


async def delete_conversation(stores: Stores, root: Slot, seen: Conversation | None = None) -> None:
    """Delete a conversation permanently: its runs and those of its threads end, and nothing recreates it.

    Repeating this finishes an interrupted deletion. With `seen`, only that conversation is deleted, not a
    later one with the same id. Raises `NotFound`.
    """
    deletion = await stores.deletions.begin(root, seen)
    if deletion is None:
        raise unknown_conversation()
    await finish_deletion(stores, deletion)


async def delete_restorably(stores: Stores, root: Slot, seen: Conversation | None = None) -> int:
    """Hide a conversation as if it were deleted, and delete it in ten minutes unless it is restored.

    Its runs are stopped. `seen` is used as in `delete_conversation`. Return the time of the deletion in
    milliseconds. Raises `NotFound`.
    """
    active = await _active(stores, root)
    # Ids of runs are never reused: those that were there before the check belong to this conversation.
    if seen and not await stores.deletions.is_there(root, seen):
        raise unknown_conversation()
    await asyncio.gather(*(_stopped(stores, slot, run_id) for slot, run_id in active))
    until = await stores.deletions.begin_restorable(root, stores.clock() + RESTORE_MS, seen)
    if until is None:
        raise unknown_conversation()
    return until


async def _active(stores: Stores, root: Slot) -> list[tuple[Slot, str]]:
    """Return the active runs of a conversation and its threads."""
    slots = await stores.deletions.slots(root)
    leases = await asyncio.gather(*(stores.leases.peek(slot) for slot in slots))
    return [(slot, lease.run_id) for slot, lease in zip(slots, leases, strict=True) if lease.run_id]


async def _stopped(stores: Stores, slot: Slot, run_id: str) -> None:
    """Stop a run, and wait briefly for its end, which could not be stored after the mark.

    A run that takes longer is ended when it is restored, or deleted with the rest.
    """
    stopped = await stop_run(stores, slot, "stopped", run_id)
    late = time.monotonic() + STOP_SECONDS
    while stopped and time.monotonic() < late:
        if (await stores.leases.peek(slot)).run_id != run_id:
            return
        await asyncio.sleep(STOP_POLL_SECONDS)


async def restore_conversation(stores: Stores, root: Slot, seen: Conversation | None = None) -> None:
    """Undo a restorable deletion; `seen` is used as in `delete_conversation`. Can be repeated safely.

    Raises `NotFound` if it is too late.
    """
    if not await stores.deletions.restore(root, seen) and await stores.deletions.is_deleted(root):
        raise unknown_conversation()


async def sweep_deletions(stores: Stores) -> int:
    """Finish deletions that were interrupted more than a minute ago, and return how many.

    One that fails again is logged and left for the next sweep.
    """
    found = await stores.deletions.unfinished(stores.clock() - OVERDUE_MS, SWEPT_AT_ONCE)
    finished = 0
    async with sweep_time():
        for deletion in found:
            finished += await _finished(stores, deletion)
    return finished


async def _finished(stores: Stores, deletion: Deletion) -> bool:
    try:
        await finish_deletion(stores, deletion)
    except Exception:
        log.exception("the deletion of %s could not be finished", deletion.root.key)
        return False
    return True


async def finish_deletion(stores: Stores, deletion: Deletion) -> None:
    """Delete everything that a mark stands for, continuing an earlier attempt, and then the mark."""
    try:
        slots = await stores.deletions.slots(deletion.root)
        for slot in slots:
            lease = await stores.deletions.revoke(deletion, slot)
            if lease.run_id:
                if lease.free(stores.clock()):
                    await _publish_end(stores, slot.organization, lease)
                await _delete_runs(stores, slot.organization, {lease.run_id})
        for slot in reversed(slots):  # the conversation's own items last, because they list its threads
            await _delete_slot(stores, deletion, slot)
        await _delete_files(stores, deletion.root)
        if deletion.agent_id.startswith("flow:"):
            await stores.deletions.delete_execution(deletion.root)
        await stores.deletions.finish(deletion)
    except DeletionFinished:
        log.info("the deletion of %s was finished by another request", deletion.root.key)


async def _delete_slot(stores: Stores, deletion: Deletion, slot: Slot) -> None:
    async for waiting in stores.deletions.waiting_pages(slot):
        await stores.deletions.delete_waiting(deletion, waiting)
    async for page in stores.deletions.pages(slot):
        await _delete_page(stores, deletion, page)


async def _delete_files(stores: Stores, root: Slot) -> None:
    """Delete the files of a conversation.

    An object is deleted after the item that counts it, because a repeated deletion finds the objects in the
    bucket.
    """
    if not stores.file_objects.configured:
        return
    while ids := await stores.file_objects.kept_ids(root):
        for id in ids:
            if file := await stores.files.find(root.organization, id):
                await stores.files.delete(file)
        await stores.file_objects.delete_kept(root, ids)


async def _delete_page(stores: Stores, deletion: Deletion, items: list[Item]) -> None:
    """Delete runs before the messages that name them, so that a repeated deletion finds the rest of both."""
    await _delete_runs(stores, deletion.root.organization, runs_of(items))
    await stores.deletions.delete_items(deletion, items)


async def _delete_runs(stores: Stores, organization: str, run_ids: set[str]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def delete(run_id: str) -> None:
        async with turns:
            # In this order: after a crash in between, a repeated deletion still finds the run and announces
            # it again.
            await _announce(stores, organization, run_id)
            await stores.deletions.delete_run(organization, run_id)

    async with asyncio.TaskGroup() as group:
        for run_id in run_ids:
            group.create_task(delete(run_id))


async def _publish_end(stores: Stores, organization: str, lease: LeaseRecord) -> None:
    """Publish the end and the usage of a run whose process died. An active run publishes them itself."""
    with contextlib.suppress(NotFound):
        run = await stores.runs.get(organization, lease.run_id or "")
        ended = deleted(replace(run, ended_at=iso(stores.clock())))
        await stores.bus.put([to_bus(missed_end(await with_estimated_usage(stores, ended, lease)))])


async def _announce(stores: Stores, organization: str, run_id: str) -> None:
    """Announce the deletion to pipelines and the command center, which then forgets the run's texts."""
    try:
        run = await stores.runs.get(organization, run_id)
    except NotFound:
        return  # it was deleted and announced before, or it has expired together with its records
    await stores.bus.put([to_bus(deleted_run(run, iso(stores.clock())))])
