"""The write that begins a run, during which the run may already be at work."""

import asyncio
from collections.abc import Awaitable, Callable

from millrace.services.runs.run_session import RunSession
from millrace.stores.admissions import Admission
from millrace.stores.connect import Stores
from millrace.stores.leases import Beginning

HeadStart = Callable[[Awaitable[bool]], RunSession]
"""Starts a run, given an awaitable that says whether the run was stored."""


async def store_beginning(
    stores: Stores, planned: Beginning, asking: Admission, moment: int, head_start: HeadStart | None
) -> RunSession | None:
    """Store the beginning of a run. Return its session if it had a head start.

    It has none if another run was begun in this process after `moment`, which is before the slot was read.
    Raises like `LeaseStore.begin`.
    """
    begun, slot = stores.leases.begun, planned.lease.run.slot
    if head_start is None or begun.since(slot, moment):
        await begun.settled(slot)
        await stores.leases.begin(planned)
        return None
    return await _with_head_start(stores, planned, asking, head_start)


async def _with_head_start(
    stores: Stores, planned: Beginning, asking: Admission, head_start: HeadStart
) -> RunSession:
    """Store a run that is already at work.

    Nothing of it is stored or reported earlier. If it is refused, it ends, and what its model used counts.
    """
    stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    session = head_start(stored)
    try:
        await stores.leases.begin(planned)
    except BaseException:
        stored.set_result(False)
        await asyncio.shield(session.over())
        asking.spent = bool(session.budget.input + session.budget.output)
        raise
    stored.set_result(True)
    return session
