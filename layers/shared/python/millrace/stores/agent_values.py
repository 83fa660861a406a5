"""Values that agents in code store with a conversation, in the slot's partition.

  G#<agent>#<key>        the value, or a reference to its parts
  C#<content id>#<part>  a part of a large value (see `message_items`)

`G` sorts before `M`, so the query that opens a slot does not read these items. Deleting the partition deletes
them.
"""

import asyncio
import zlib
from collections.abc import Sequence

from millrace.domain.conversations import Slot
from millrace.domain.ids import new_ulid
from millrace.errors import Unavailable
from millrace.stores.dynamo import Dynamo, Item, TransactItem, delete, put, to_item
from millrace.stores.message_items import PART_BYTES
from millrace.stores.sizes import ROOMY_BYTES

PREFIX = "G#"
PARTS_AT_ONCE = ROOMY_BYTES // PART_BYTES - 1
READ_AGAIN = 3
"""Attempts to read a value whose parts are replaced during the read."""


class AgentValueStore:
    """Values in the table of conversations.

    Every write includes a `check` of the run's lease and raises `ConditionFailed` if the lease is lost.
    """

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def get(self, slot: Slot, agent_id: str, key: str) -> bytes | None:
        """Return a value, or None."""
        for _ in range(READ_AGAIN):
            head = await self._dynamo.get(self._table, _head_key(slot, agent_id, key))
            if head is None:
                return None
            if (value := await self._value(slot, head)) is not None:
                return value
        raise Unavailable("The value is being replaced; try again.", retry_after=1)

    async def put(self, check: TransactItem, slot: Slot, agent_id: str, key: str, value: bytes) -> None:
        """Store a value, replacing the previous one."""
        place = _head_key(slot, agent_id, key)
        before = await self._dynamo.get(self._table, place)
        packed = zlib.compress(value, 1)
        if len(packed) <= PART_BYTES:
            await self._dynamo.transact(check, put(self._table, place | {"data": packed}))
        else:
            await self._put_parts(check, slot, place, packed)
        await self._drop(check, _part_keys(slot, before))

    async def delete(self, check: TransactItem, slot: Slot, agent_id: str, keys: Sequence[str]) -> int:
        """Delete values; return how many existed."""
        heads = [_head_key(slot, agent_id, key) for key in keys]
        read = await asyncio.gather(*(self._dynamo.get(self._table, head) for head in heads))
        found = [head for head in read if head]
        # Delete the parts last: a value without its parts cannot be read, but parts without a head are never
        # found.
        await self._drop(check, [{"pk": head["pk"], "sk": head["sk"]} for head in found])
        await self._drop(check, [part for head in found for part in _part_keys(slot, head)])
        return len(found)

    async def keys(self, slot: Slot, agent_id: str, prefix: str, after: str, limit: int) -> list[str]:
        """Return at most `limit` keys that begin with a prefix and follow `after`, in order."""
        start = f"{PREFIX}{agent_id}#"
        found: list[str] = []
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": to_item(
                # U+10FFFF is the last character of Unicode, so every key with the prefix sorts before it.
                {":pk": slot.key, ":first": start + max(prefix, after), ":last": f"{start}{prefix}\U0010ffff"}
            ),
            "ProjectionExpression": "sk",
            "ConsistentRead": True,
        }
        while len(found) < limit:
            items, last = await self._dynamo.query_page(**request)
            keys = (item["sk"].removeprefix(start) for item in items)
            found += [key for key in keys if key > after or not after]
            if last is None:
                break
            request["ExclusiveStartKey"] = last
        return found[:limit]

    async def _value(self, slot: Slot, head: Item) -> bytes | None:
        if "data" in head:
            return zlib.decompress(head["data"])
        keys = _part_keys(slot, head)
        parts = await asyncio.gather(*(self._dynamo.get(self._table, key) for key in keys))
        found = [part["data"] for part in parts if part]
        return zlib.decompress(b"".join(found)) if len(found) == len(keys) else None

    async def _put_parts(self, check: TransactItem, slot: Slot, place: Item, packed: bytes) -> None:
        chunks = [packed[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]
        head = place | {"contentId": new_ulid(), "parts": len(chunks)}
        pairs = zip(_part_keys(slot, head), chunks, strict=True)
        writes = [put(self._table, key | {"data": chunk}) for key, chunk in pairs]
        # Write the parts first: they become visible only with the head.
        for start in range(0, len(writes), PARTS_AT_ONCE):
            await self._dynamo.transact(check, *writes[start : start + PARTS_AT_ONCE])
        await self._dynamo.transact(check, put(self._table, head))

    async def _drop(self, check: TransactItem, keys: Sequence[Item]) -> None:
        # DynamoDB also counts the sizes of deleted items.
        for start in range(0, len(keys), PARTS_AT_ONCE):
            deletes = [
                delete(self._table, key, existing=False) for key in keys[start : start + PARTS_AT_ONCE]
            ]
            await self._dynamo.transact(check, *deletes)


def _head_key(slot: Slot, agent_id: str, key: str) -> Item:
    return {"pk": slot.key, "sk": f"{PREFIX}{agent_id}#{key}"}


def _part_keys(slot: Slot, head: Item | None) -> list[Item]:
    if head is None or "contentId" not in head:
        return []
    return [{"pk": slot.key, "sk": f"C#{head['contentId']}#{n:04d}"} for n in range(head["parts"])]
