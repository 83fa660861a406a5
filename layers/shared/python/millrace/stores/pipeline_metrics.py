"""What pipelines did, in buckets of a minute.

`sk M#<minute>` in a pipeline's partition of the registry's table; the organisation's own total has the
pipeline id `~`. Counters only grow; under redelivery an event may be counted twice: these are statistics.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from millrace.stores.dynamo import Dynamo, Item, update

MINUTE_MS = 60_000
KEPT_SECONDS = 8 * 86_400
TOTAL = "~"
Counters = dict[str, int]


class PipelineMetrics:
    """Counter names are letters and digits only."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def add(self, organization: str, pipeline_id: str, counters: Mapping[str, int], now: int) -> None:
        """Adds to the minute of `now` (epoch ms), for the pipeline and for the organisation."""
        grown = {name: value for name, value in counters.items() if value}
        if not grown:
            return
        totals = {name: value for name, value in grown.items() if not name.startswith("step")}
        writes = [self._add(f"{organization}#{pipeline_id}", grown, now)]
        if totals:
            writes.append(self._add(f"{organization}#{TOTAL}", totals, now))
        await asyncio.gather(*writes)

    async def _add(self, partition: str, counters: Counters, now: int) -> None:
        minute = now // MINUTE_MS * MINUTE_MS
        added = ", ".join(f"{name} :{name}" for name in counters)
        values: dict[str, Any] = {**counters, "expires": now // 1000 + KEPT_SECONDS}
        key = {"pk": partition, "sk": f"M#{minute:013d}"}
        await self._dynamo.write(
            update(self._table, key, f"ADD {added} SET expiresAt = :expires", "", **values)
        )

    async def minutes(self, organization: str, pipeline_id: str, since: int) -> list[tuple[int, Counters]]:
        """(minute, counters) from the minute of `since` (epoch ms) on."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :start AND :end",
            pk=f"{organization}#{pipeline_id}",
            start=f"M#{since // MINUTE_MS * MINUTE_MS:013d}",
            end="M#~",
        )
        return [(int(item["sk"][2:]), _counters(item)) for item in items]


def _counters(item: Item) -> Counters:
    return {name: value for name, value in item.items() if name not in ("pk", "sk", "expiresAt")}
