"""A change counter for an organization's items.

A process that caches the items reads the counter to see whether they have changed. Every change increments it
in the same transaction.
"""

from collections.abc import Collection

from millrace.stores.dynamo import Dynamo, Item, TransactItem, to_item, update
from millrace.stores.sizes import valid_key


def revised(table: str, organization: str) -> TransactItem:
    """Return the write that counts a change."""
    return update(table, _key(organization), "ADD revision :one", one=1)


async def revisions(dynamo: Dynamo, table: str, organizations: Collection[str]) -> dict[str, int]:
    """Return the change counts of at most 100 organizations; those without changes are left out.

    Items that are read afterwards are at least as recent.
    """
    keys = [key for key in map(_key, organizations) if valid_key(to_item(key))]
    items = await dynamo.get_many(table, keys)
    return {str(item["pk"]): int(item["revision"]) for item in items}


def _key(organization: str) -> Item:
    # Sorts before all letters, because lists continue from the last shown item to the end of the partition.
    return {"pk": organization, "sk": "#REVISION"}
