"""The look of every minute at all runs under way: those whose process is gone are put on the run queue."""

import asyncio
import logging

from millrace.domain.conversations import Slot
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores
from millrace.stores.run_definitions import SHARDS

log = logging.getLogger(__name__)


async def sweep_lost(stores: Stores) -> int:
    """Notice the lost runs of all organizations, also those of which the command center has never heard,
    since their process died before its first event reached the bus. Return how many were looked at."""
    # Counted in place: a shard that the timeout cancels returns nothing.
    looked = [0] * SHARDS
    async with sweep_time():
        await asyncio.gather(*(_sweep_shard(stores, shard, looked) for shard in range(SHARDS)))
    return sum(looked)


async def _sweep_shard(stores: Stores, shard: int, looked: list[int]) -> None:
    page, more = await stores.run_definitions.under_way(shard)
    while True:
        for slot, run_id in page:
            await _check(stores, slot, run_id)
            looked[shard] += 1
        if more is None:
            return
        page, more = await stores.run_definitions.under_way(shard, more)


async def _check(stores: Stores, slot: Slot, run_id: str) -> None:
    """Look at one run; a failure is made up for by the next look."""
    try:
        lease = await stores.leases.peek(slot)
        if lease.run_id == run_id and lease.lost(stores.clock()):
            await notice_lost_run(stores, slot, lease)
    except Exception:
        log.exception("run %s cannot be looked at", run_id)
