"""The definitions of active runs: `A#<run id>` in the partition of the run's slot, from first to last write.

`A` sorts before `M`, so the query that opens a slot does not read them. Next to each is `L#<run id>`, by
which the index `ByOwner` lists all active runs (`#running#<shard>`, sharded because each run writes there
twice). So the sweep finds a run whose process died even if none of its events reached the bus.
"""

import zlib
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from millrace.domain.conversations import Slot
from millrace.domain.run_definitions import RunDefinition
from millrace.stores.dynamo import Dynamo, Item, TransactItem, delete, put, to_item
from millrace.stores.reading import readable

SHARDS = 8
PAGE = 100
"""Runs that are checked together, because one call can read their leases."""
FIRST, LAST = " ", "~"
"""Strings that sort before and after the id of every run."""


class RunDefinitionStore:
    """The definitions in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def get(self, slot: Slot, run_id: str) -> RunDefinition | None:
        """Return the definition of a run, or None if it has ended or began without one."""
        item = await self._dynamo.get(self._table, _key(slot, run_id))
        return RunDefinition.of(orjson.loads(zlib.decompress(item["data"]))) if item else None

    def put(self, slot: Slot, run_id: str, definition: RunDefinition) -> list[TransactItem]:
        """Return the writes that store a definition and list its run as active."""
        data = zlib.compress(orjson.dumps(definition.to_json()), 1)
        return [
            put(self._table, _key(slot, run_id) | {"data": data}),
            put(self._table, _listed(slot, run_id)),
        ]

    def delete(self, slot: Slot, run_id: str) -> list[TransactItem]:
        """Return the writes that remove both, if they exist."""
        keys = (_key(slot, run_id), _listed_key(slot, run_id))
        return [delete(self._table, key, existing=False) for key in keys]

    async def under_way(
        self, shard: int, first: str = FIRST, last: str = LAST
    ) -> AsyncGenerator[list[tuple[Slot, str]], None]:
        """Yield pages of the active runs of all organizations with ids from `first` to `last`, with their
        slots."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "ByOwner",
            "KeyConditionExpression": "ownerPk = :pk AND listSk BETWEEN :first AND :last",
            "ExpressionAttributeValues": to_item(
                {":pk": f"#running#{shard}", ":first": first, ":last": last}
            ),
            "Limit": PAGE,
        }
        while True:
            items, after = await self._dynamo.query_page(**request)
            yield readable(items, lambda item: (_slot_of(item), item["runId"]))
            if after is None:
                return
            request["ExclusiveStartKey"] = after

    async def sweep_starts(self) -> list[str]:
        """Return the id of the run from which the sweep continues, for each shard."""
        keys = [_start_key(shard) for shard in range(SHARDS)]
        found = {item["sk"]: item["runId"] for item in await self._dynamo.get_many(self._table, keys)}
        return [found.get(key["sk"], FIRST) for key in keys]

    async def start_sweep_at(self, shard: int, run_id: str) -> None:
        """Have the next sweep of a shard begin with this run."""
        await self._dynamo.write(put(self._table, _start_key(shard) | {"runId": run_id}))


def _key(slot: Slot, run_id: str) -> Item:
    return {"pk": slot.key, "sk": f"A#{run_id}"}


def _listed_key(slot: Slot, run_id: str) -> Item:
    return {"pk": slot.key, "sk": f"L#{run_id}"}


def _listed(slot: Slot, run_id: str) -> Item:
    return _listed_key(slot, run_id) | {
        "runId": run_id,
        "conversationId": slot.conversation_id,
        "threadId": slot.thread_id,
        "ownerPk": f"#running#{zlib.crc32(run_id.encode()) % SHARDS}",
        "listSk": run_id,
    }


def _start_key(shard: int) -> Item:
    return {"pk": "#running", "sk": f"START#{shard}"}


def _slot_of(item: Item) -> Slot:
    return Slot(item["pk"].partition("#")[0], item["conversationId"], item["threadId"])
