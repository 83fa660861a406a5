"""Conditional deletions of items with an `updatedAt`."""

from millrace.domain.replacement import changed
from millrace.errors import MillraceError
from millrace.stores.dynamo import ConditionFailed, Item, TransactItem, delete, delete_when


def delete_unchanged(table: str, key: Item, since: str | None) -> TransactItem:
    """Delete an item that must exist; with `since`, only if that is its `updatedAt`."""
    if since is None:
        return delete(table, key)
    return delete_when(table, key, "updatedAt = :seen", seen=since)


def refusal(error: ConditionFailed, unknown: MillraceError) -> MillraceError:
    """Return the error for a refused deletion, the first of its transaction:

    `unknown` if there is no item.
    """
    return changed() if error.items.get(0) else unknown
