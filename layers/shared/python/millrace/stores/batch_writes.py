"""Unconditional writes, 25 in a call."""

import asyncio
import random
from typing import Any

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

_TRIES = 8
_BATCH = 25
"""The maximum for one BatchWriteItem call."""


async def write_all(aws: Aws, table: str, requests: list[dict[str, Any]]) -> None:
    """Put and delete items with different keys, each independently: on an error, some may be done.

    Raises `Unavailable` if DynamoDB keeps leaving some unprocessed.
    """
    for start in range(0, len(requests), _BATCH):
        await _write_batch(aws, table, requests[start : start + _BATCH])


async def _write_batch(aws: Aws, table: str, rest: list[dict[str, Any]]) -> None:
    for attempt in range(_TRIES):
        answer = await aws.call("dynamodb", "batch_write_item", RequestItems={table: rest})
        rest = answer.get("UnprocessedItems", {}).get(table, [])
        if not rest:
            return
        await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))
    raise Unavailable("The store is busy; try again.", retry_after=1)
