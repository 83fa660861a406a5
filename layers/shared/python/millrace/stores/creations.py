"""Limits on the number of items of an organization, which also hold for concurrent creations.

A creation reads a version, counts the existing items, and increments the version with its write. If several
creations counted the same items, only one succeeds and the others count again.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    put_version,
    to_item,
)

TRIES = 20


async def create_counted(
    dynamo: Dynamo, table: str, group: str, check: Callable[[], Awaitable[None]], *writes: TransactItem
) -> None:
    """Write a new item of a group, after `check` has counted the existing ones without raising.

    Raises the `ConditionFailed` of the writes' own conditions, or `Contended`.
    """
    for _ in range(TRIES):
        before = await creations(dynamo, table, group)
        await check()
        try:
            return await dynamo.transact(*writes, next_creation(table, group, before))
        except ConditionFailed as error:
            if any(position < len(writes) for position in error.items):
                raise
    raise Contended("Conflicting concurrent writes; retry.", retry_after=1)


async def creations(dynamo: Dynamo, table: str, group: str) -> int:
    """Return the number of creations so far. Read it before you count the items."""
    item = await dynamo.get(table, _key(group))
    return int(item["version"]) if item else 0


async def count_items(dynamo: Dynamo, table: str, pk: str, most: int) -> int:
    """Return the number of items in a partition. Stops counting soon after `most`."""
    return await _count(dynamo, "pk", pk, most, TableName=table, ConsistentRead=True)


async def count_index(dynamo: Dynamo, table: str, index: str, name: str, value: str) -> int:
    """Return the number of items in a partition of an index."""
    return await _count(dynamo, name, value, sys.maxsize, TableName=table, IndexName=index)


async def _count(dynamo: Dynamo, name: str, value: str, most: int, **request: Any) -> int:
    found, start = 0, dict[str, Any]()
    while True:
        items, last = await dynamo.query_page(
            KeyConditionExpression=f"{name} = :value",
            ExpressionAttributeValues=to_item({":value": value}),
            ProjectionExpression="pk",
            **request,
            **start,
        )
        found += len(items)
        if found >= most or last is None:
            return found
        start = {"ExclusiveStartKey": last}


def next_creation(table: str, group: str, before: int) -> TransactItem:
    """Return the write that is refused if another creation came first."""
    return put_version(table, _key(group) | {"version": before + 1}, before + 1)


def _key(group: str) -> Item:
    return {"pk": group, "sk": "CREATIONS"}
