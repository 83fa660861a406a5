"""The check of every minute of all active runs: those whose process died are enqueued on the run queue."""

import asyncio
import logging

from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.domain.runs import LeaseRecord
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores
from millrace.stores.run_definitions import FIRST, LAST

log = logging.getLogger(__name__)


class _Round(Struct):
    """A check of a shard, from a run on to the last and then from the first to that run.

    `reached` is the last run that was checked, or None once all were.
    """

    shard: int
    start: str
    reached: str | None
    looked: int = 0


async def sweep_lost(stores: Stores) -> int:
    """Enqueue the lost runs of all organizations, and return how many runs were checked.

    This includes runs unknown to the command center, whose process died before its first event reached the
    bus. If there are more runs than one sweep has time for, the next one continues where this one stopped.
    """
    starts = await stores.run_definitions.sweep_starts()
    rounds = [_Round(shard, start, start) for shard, start in enumerate(starts)]
    async with sweep_time():
        await asyncio.gather(*(_sweep_shard(stores, one) for one in rounds))
    for one in rounds:
        if one.reached is not None and one.reached != one.start:
            await stores.run_definitions.start_sweep_at(one.shard, one.reached)
    return sum(one.looked for one in rounds)


async def _sweep_shard(stores: Stores, one: _Round) -> None:
    await _sweep_runs(stores, one, one.start, LAST)
    if one.start != FIRST:
        await _sweep_runs(stores, one, FIRST, one.start)
    one.reached = None


async def _sweep_runs(stores: Stores, one: _Round, first: str, last: str) -> None:
    async for page in stores.run_definitions.under_way(one.shard, first, last):
        if page:
            await _check_all(stores, page)
            one.looked += len(page)
            one.reached = page[-1][1]


async def _check_all(stores: Stores, page: list[tuple[Slot, str]]) -> None:
    """Check some runs. If this fails, the next check covers them."""
    try:
        leases = await stores.leases.peek_all(slot for slot, _ in page)
    except Exception:
        log.exception("%d runs cannot be checked", len(page))
        return
    found = ((slot, run_id, leases.get(slot.key)) for slot, run_id in page)
    await asyncio.gather(*(_check(stores, slot, run_id, lease) for slot, run_id, lease in found if lease))


async def _check(stores: Stores, slot: Slot, run_id: str, lease: LeaseRecord) -> None:
    try:
        if lease.run_id == run_id and lease.overdue(stores.clock()):
            await notice_lost_run(stores, slot, lease)
    except Exception:
        log.exception("run %s cannot be checked", run_id)
