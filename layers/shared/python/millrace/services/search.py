"""Searching lists that are read page by page."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

PAGES_AT_ONCE = 20
"""The most pages of a list that one request looks through."""
LONGEST_QUERY = 200
Item = TypeVar("Item")
After = TypeVar("After")


async def search(
    read_page: Callable[[int, After | None], Awaitable[tuple[list[Item], After | None]]],
    matches: Callable[[Item], bool],
    limit: int,
    after: After | None,
) -> tuple[list[Item], After | None]:
    """Return the items of a list that match, at most `limit`, and where to go on. A page may have fewer, even
    none, though there are more: a request looks through 20 pages."""
    found: list[Item] = []
    for _ in range(PAGES_AT_ONCE):
        page, after = await read_page(limit - len(found), after)
        found += filter(matches, page)
        # Smaller and smaller pages would take many requests for the last few.
        if after is None or len(found) * 2 >= limit:
            break
    return found, after


def words_of(query: str) -> list[str]:
    """Return the words of a query, for `has_words`."""
    return query.casefold().split()


def has_words(words: list[str], *texts: str) -> bool:
    """Return whether every word stands in one of the texts."""
    said = [text.casefold() for text in texts]
    return all(any(word in text for text in said) for word in words)
