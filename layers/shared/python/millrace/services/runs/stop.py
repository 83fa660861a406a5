"""Stopping of a run, in whichever process it is."""

from millrace.domain import events
from millrace.domain.conversations import Slot
from millrace.domain.runs import LeaseRecord, StopReason
from millrace.errors import NotFound
from millrace.services.runs.recover import end_run
from millrace.stores.connect import Stores


async def stop_run(stores: Stores, slot: Slot, reason: StopReason, run_id: str | None = None) -> str | None:
    """Ask the run of a slot to stop. Return its id, or None if no run (or another one) is active there.

    A run without a process, because it is lost, queued or waiting, is ended here.
    """
    stopped = await stores.leases.request_stop(slot, reason, run_id)
    if stopped is not None:
        lease = await stores.leases.peek(slot)
        if lease.run_id == stopped and lease.free(stores.clock()):
            await end_stopped(stores, slot, lease)
    return stopped


async def end_stopped(stores: Stores, slot: Slot, lease: LeaseRecord) -> bool:
    """End a run without a process that was asked to stop. Returns as `end_run` does."""
    try:
        run = await stores.runs.get(slot.organization, lease.run_id or "")
    except NotFound:  # it was deleted
        return False
    last = events.done(run.message_id, None, None, lease.stop or "stopped", None)
    return await end_run(stores, run, lease, "stopped", last)
