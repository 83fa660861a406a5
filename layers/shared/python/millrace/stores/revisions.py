"""Changes of the things of an organization, counted in one small item, by which a process that knows them
sees that it need not read them again.

Whatever changes one of them raises the number in the same transaction.
"""

from collections.abc import Collection

from millrace.stores.dynamo import Dynamo, Item, TransactItem, to_item, update
from millrace.stores.sizes import valid_key


def revised(table: str, organization: str) -> TransactItem:
    """Return the write that counts a change."""
    return update(table, _key(organization), "ADD revision :one", one=1)


async def revisions(dynamo: Dynamo, table: str, organizations: Collection[str]) -> dict[str, int]:
    """Return the changes of organizations (100 at most) so far; absent where none was ever counted. What is
    read after this is no older."""
    keys = [key for key in map(_key, organizations) if valid_key(to_item(key))]
    items = await dynamo.get_many(table, keys)
    return {str(item["pk"]): int(item["revision"]) for item in items}


def _key(organization: str) -> Item:
    # Before all letters: lists go on behind the last thing that they have shown, to the end of the partition.
    return {"pk": organization, "sk": "#REVISION"}
