"""The state of windows and batches in DynamoDB: blocks to append, and one register for each key.

  pk <key>#<shard>  sk B#<ulid>  a block in a random shard, as one partition takes 1,000 units a second
  pk <key>#0        sk META      the register, see `millrace.stores.registers`
  pk <key>#0        sk COUNT     a counter, used only as a hint

Keys begin with the organization. Calls block, because the engine is plain Python in a thread.
"""

import heapq
import random
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from millrace.domain.ids import new_ulid
from millrace.errors import Unavailable
from millrace.stores.aws import Aws, unavailable_when_down
from millrace.stores.registers import DUE_SHARDS, Registers, due_shard

SHARDS = 4
BY_DUE, BY_OWNER = "ByDue", "ByOwner"
_DELETE_BATCH = 25
_TRIES = 8


class WindowTable:
    """The table of windows.

    The `owner` of a key is `<organization>#<pipeline>`. Reads by key are consistent, lists by due time
    eventually consistent.
    """

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._table = table
        self.registers = Registers(aws, table)

    @property
    def _client(self) -> Any:
        return self._aws.client("dynamodb")

    def append(self, store_key: str, blocks: list[bytes], expires: int) -> None:
        """Append blocks of at most 350 KB, which are deleted some time after `expires` (epoch ms)."""
        for block in blocks:
            item = {
                "pk": {"S": f"{store_key}#{random.randrange(SHARDS)}"},
                "sk": {"S": f"B#{new_ulid()}"},
                "block": {"B": block},
                "expiresAt": {"N": str(expires // 1000)},
            }
            with unavailable_when_down("dynamodb"):
                self._client.put_item(TableName=self._table, Item=item)

    def blocks(self, store_key: str) -> list[tuple[str, bytes]]:
        """Return all blocks of all shards, each with a reference for `delete`."""
        return [
            (f"{shard}/{item['sk']['S']}", item["block"]["B"])
            for shard in range(SHARDS)
            for item in self._query(
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
                ExpressionAttributeValues={":pk": {"S": f"{store_key}#{shard}"}, ":kind": {"S": "B#"}},
            )
        ]

    def delete(self, store_key: str, references: list[str]) -> None:
        """Delete blocks. Unknown references are ignored."""
        for start in range(0, len(references), _DELETE_BATCH):
            self._delete([_key_of(store_key, one) for one in references[start : start + _DELETE_BATCH]])

    def _delete(self, keys: list[dict[str, Any]]) -> None:
        requests = {self._table: [{"DeleteRequest": {"Key": key}} for key in keys]}
        for attempt in range(_TRIES):
            with unavailable_when_down("dynamodb"):
                requests = self._client.batch_write_item(RequestItems=requests)["UnprocessedItems"]
            if not requests:
                return
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise Unavailable("DynamoDB does not take these deletes now.", retry_after=1)

    def count(self, store_key: str, more: int) -> int:
        """Add to the key's counter. A repeated call counts twice."""
        with unavailable_when_down("dynamodb"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"{store_key}#0"}, "sk": {"S": "COUNT"}},
                UpdateExpression="ADD counted :more SET expiresAt = :expires",
                ExpressionAttributeValues={
                    ":more": {"N": str(more)},
                    ":expires": {"N": str(int(time.time()) + 15 * 86_400)},
                },
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["counted"]["N"])

    def due(self, before: int) -> Iterator[tuple[int, str]]:
        """Yield (due, key) of the registers due before a time, oldest first, reading lazily."""
        shards = [self._due_of(BY_DUE, "duePk", due_shard(shard), before) for shard in range(DUE_SHARDS)]
        return heapq.merge(*shards)

    def due_of(self, owner: str, limit: int) -> list[tuple[int, str]]:
        """Return (due, key) of an owner's registers with a due time, oldest first."""
        return list(islice(self._due_of(BY_OWNER, "ownerPk", owner, 10**15), limit))

    def _due_of(self, index: str, name: str, value: str, before: int) -> Iterator[tuple[int, str]]:
        found = self._query(
            IndexName=index,
            KeyConditionExpression=f"{name} = :key AND dueAt < :before",
            ExpressionAttributeValues={":key": {"S": value}, ":before": {"N": str(before)}},
        )
        return ((int(item["dueAt"]["N"]), item["pk"]["S"].rpartition("#")[0]) for item in found)

    def _query(self, **request: Any) -> Iterator[dict[str, Any]]:
        while True:
            with unavailable_when_down("dynamodb"):
                answer = self._client.query(TableName=self._table, **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _key_of(store_key: str, reference: str) -> dict[str, Any]:
    shard, _, name = reference.partition("/")
    return {"pk": {"S": f"{store_key}#{shard}"}, "sk": {"S": name}}
