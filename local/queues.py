"""Queues whose messages no function receives. The emulator runs these functions in its own process."""

import asyncio
from collections.abc import Iterator
from typing import Any

import boto3

from local.ministack import ClientArguments

POLL_SECONDS = 2.0
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


async def undrained(arguments: ClientArguments) -> list[str]:
    """Return a sentence for each queue whose function receives nothing from it.

    Queues with waiting messages are checked twice, `POLL_SECONDS` apart.
    """
    first = await asyncio.to_thread(_poll, arguments)
    if any(waiting for waiting in first.values() if isinstance(waiting, int)):
        await asyncio.sleep(POLL_SECONDS)
        second = await asyncio.to_thread(_poll, arguments)
    else:
        second = first
    return [
        finding for queue in sorted(first) if (finding := _finding(queue, first[queue], second.get(queue)))
    ]


def _finding(queue: str, before: int | str, after: int | str | None) -> str | None:
    if isinstance(before, str):
        return f"{queue}: {before}"
    if isinstance(after, int) and before and after >= before:
        return f"{queue}: {after} messages wait and none is taken"
    return None


def _poll(arguments: ClientArguments) -> dict[str, int | str]:
    """Return for each queue the number of waiting messages while none is in progress, or the mapping's
    problem."""
    sqs: Any = boto3.client("sqs", **arguments)
    found: dict[str, int | str] = {}
    for queue, mapping in _mappings(arguments):
        if mapping["State"] != "Enabled":
            found[queue] = f"its event source mapping is {mapping['State']}"
            continue
        try:
            url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
        except sqs.exceptions.QueueDoesNotExist:
            found[queue] = "the queue does not exist at this address"
            continue
        waiting, under_way = (int(counts[name]) for name in _COUNTS)
        found[queue] = 0 if under_way else waiting
    return found


def _mappings(arguments: ClientArguments) -> Iterator[tuple[str, Any]]:
    pages = boto3.client("lambda", **arguments).get_paginator("list_event_source_mappings").paginate()
    for page in pages:
        for mapping in page["EventSourceMappings"]:
            if ":sqs:" in mapping["EventSourceArn"]:
                yield mapping["EventSourceArn"].rpartition(":")[2], mapping
