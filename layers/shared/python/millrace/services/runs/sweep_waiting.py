"""The check of every minute of waiting calls: those that have expired, and answers without an effect yet."""

import logging

from millrace.domain.approvals import WaitingCall
from millrace.services.runs.answers import go_on_if_answered
from millrace.services.runs.asking import expire
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)
CHECKED_AT_ONCE = 100
AGAIN_MS = 60_000


async def sweep_waiting(stores: Stores) -> int:
    """End the wait of expired calls, and continue runs whose calls are answered. Return the number of calls
    checked.

    A call that fails is logged and left for the next sweep.
    """
    found = await stores.approvals.due(stores.clock(), CHECKED_AT_ONCE)
    async with sweep_time():
        for call in found:
            await _check(stores, call)
    return len(found)


async def _check(stores: Stores, call: WaitingCall) -> None:
    try:
        await _go_on(stores, call)
    except Exception:
        log.exception("the waiting call %s of %s could not be checked", call.call_id, call.run_id)
        await _check_later(stores, call)


async def _check_later(stores: Stores, call: WaitingCall) -> None:
    """Check a failed call later: the oldest are read first, so calls that always fail would block the
    others."""
    try:
        await stores.approvals.check_again(call, stores.clock() + AGAIN_MS)
    except Exception:
        log.exception("the waiting call %s of %s stays the first to be checked", call.call_id, call.run_id)


async def _go_on(stores: Stores, call: WaitingCall) -> None:
    lease = await stores.leases.peek(call.slot)
    if lease.run_id != call.run_id:
        return await stores.approvals.settle(call)
    if call.answer is not None and lease.parked != "waiting":
        # It may still be working on other calls, and not have seen the answer.
        return await stores.approvals.check_again(call, stores.clock() + AGAIN_MS)
    if call.answer is None:
        call = await expire(stores, call)
    if not await go_on_if_answered(stores, call):  # it is enough to check the last of its calls
        return await stores.approvals.settle(call)
    # The message may be lost with its receiver, so the call stays listed until its run has continued.
    await stores.approvals.check_again(call, stores.clock() + AGAIN_MS)
