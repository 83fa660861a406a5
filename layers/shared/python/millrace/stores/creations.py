"""Limits on how many of a kind an organization may have, which hold for creations at the same time, too.

Whoever creates one reads the number of creations, counts what there is, and raises the number with the write:
of several who counted the same, only one gets through, and the others count again.
"""

from millrace.stores.dynamo import Dynamo, Item, TransactItem, put_version

TRIES = 20


async def creations(dynamo: Dynamo, table: str, organization: str) -> int:
    """Return how many there were. To be read before what there is is counted."""
    item = await dynamo.get(table, _key(organization))
    return int(item["version"]) if item else 0


def next_creation(table: str, organization: str, before: int) -> TransactItem:
    """Return the write that is refused where another creation came in between."""
    return put_version(table, _key(organization) | {"version": before + 1}, before + 1)


def _key(organization: str) -> Item:
    return {"pk": organization, "sk": "CREATIONS"}
