"""Search in lists that are read page by page."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

PAGES_AT_ONCE = 20
"""The maximum number of pages of a list that one request searches."""
LONGEST_QUERY = 200
Item = TypeVar("Item")
After = TypeVar("After")


async def search(
    read_page: Callable[[int, After | None], Awaitable[tuple[list[Item], After | None]]],
    matches: Callable[[Item], bool],
    limit: int,
    after: After | None,
) -> tuple[list[Item], After | None]:
    """Return at most `limit` matching items of a list, and the position to continue after.

    A page may have fewer, even none, although more follow, because a request searches at most 20 pages.
    """
    found: list[Item] = []
    for _ in range(PAGES_AT_ONCE):
        page, after = await read_page(limit - len(found), after)
        found += filter(matches, page)
        # Ever smaller pages would take many requests for the last few items.
        if after is None or len(found) * 2 >= limit:
            break
    return found, after


def words_of(query: str) -> list[str]:
    """Return the words of a query, for `has_words`."""
    return query.casefold().split()


def has_words(words: list[str], *texts: str) -> bool:
    """Return whether every word occurs in one of the texts."""
    said = [text.casefold() for text in texts]
    return all(any(word in text for text in said) for word in words)
