"""Pages of matching items from a query, at a bounded cost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from millrace.stores.dynamo import Item

Position = TypeVar("Position")
Entry = TypeVar("Entry")


async def chosen_page(
    query: Callable[[Position | None], Awaitable[tuple[list[Item], bool]]],
    position_of: Callable[[Item], Position],
    entries_of: Callable[[Item], list[Entry]],
    limit: int,
    reads: int,
    after: Position | None,
) -> tuple[list[Entry], Position | None]:
    """Return up to `limit` entries, and the position to continue after (None at the end).

    `query` reads the items after a position and reports whether there are more. `entries_of` returns the
    entry of an item, or nothing if it does not match. A page ends early after `reads` queries.
    """
    found: list[Entry] = []
    for _ in range(reads):
        items, more = await query(after)
        for item in items:
            after = position_of(item)
            found += entries_of(item)
            if len(found) == limit:
                return found, after if more or item is not items[-1] else None
        if not more:
            return found, None
    return found, after
