"""The definitions of runs under way: `A#<run id>` in the partition of the run's slot, from the run's first
write to its last. The letter stands before M: the query that opens a slot does not read it."""

import zlib

import orjson

from millrace.domain.conversations import Slot
from millrace.domain.run_definitions import RunDefinition
from millrace.stores.dynamo import Dynamo, Item, TransactItem, delete, put


class RunDefinitionStore:
    """The definitions in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def get(self, slot: Slot, run_id: str) -> RunDefinition | None:
        """Return the definition of a run, None when it has ended, or began without one."""
        item = await self._dynamo.get(self._table, _key(slot, run_id))
        return RunDefinition.of(orjson.loads(zlib.decompress(item["data"]))) if item else None

    def put(self, slot: Slot, run_id: str, definition: RunDefinition) -> TransactItem:
        """The write that stores a definition."""
        data = zlib.compress(orjson.dumps(definition.to_json()), 1)
        return put(self._table, _key(slot, run_id) | {"data": data})

    def delete(self, slot: Slot, run_id: str) -> TransactItem:
        """The write that removes it, if it is there."""
        return delete(self._table, _key(slot, run_id), existing=False)


def _key(slot: Slot, run_id: str) -> Item:
    return {"pk": slot.key, "sk": f"A#{run_id}"}
