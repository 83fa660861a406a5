"""Items to delete: grouped for transactions, and the runs that they belong to."""

import logging
from collections.abc import Iterator

import orjson

from millrace.stores.dynamo import Item, to_item
from millrace.stores.sizes import ROOMY_BYTES, item_bytes

log = logging.getLogger(__name__)
BATCH = 25


def grouped(items: list[Item], most: int) -> Iterator[list[Item]]:
    """Yield the items in groups that one transaction can delete.

    DynamoDB counts the sizes of the items, not only of their keys.
    """
    group: list[Item] = []
    room = ROOMY_BYTES
    for item in items:
        size = item_bytes(to_item(item))
        if group and (len(group) == most or size > room):
            yield group
            group, room = [], ROOMY_BYTES
        group.append(item)
        room -= size
    if group:
        yield group


def runs_of(items: list[Item]) -> set[str]:
    """Return the ids of the runs that these items of a slot belong to."""
    return {run for item in items if (run := _run_of(item))}


def _run_of(item: Item) -> str | None:
    """Return the run of an item, if it is a message or an idempotency marker."""
    if "runId" in item:
        return item["runId"] or None
    if not item["sk"].startswith("M#"):
        return None
    try:
        run_id: str | None = orjson.loads(item["body"]).get("runId")
    except Exception:
        # The item is deleted anyway: an unreadable one must not prevent the deletion of its conversation.
        log.exception("the message %s of %s cannot be read", item["sk"], item["pk"])
        return None
    return run_id
