"""Finding conversations by their titles."""

from collections.abc import Awaitable, Callable

from millrace.domain.conversations import Conversation
from millrace.stores.directory import Position

PAGES_AT_ONCE = 20
"""The most pages of a list that one request looks through."""
Page = tuple[list[Conversation], Position | None]
ReadPage = Callable[[int, Position | None], Awaitable[Page]]


async def find_by_title(read_page: ReadPage, query: str, limit: int, after: Position | None) -> Page:
    """Return the conversations of a list whose titles have every word of a query, at most `limit`, and where
    to go on. A page may have fewer, even none, though there are more: a request looks through 20 pages."""
    words = query.casefold().split()
    found: list[Conversation] = []
    for _ in range(PAGES_AT_ONCE):
        page, after = await read_page(limit - len(found), after)
        found += [one for one in page if all(word in one.title.casefold() for word in words)]
        # Smaller and smaller pages would take many requests for the last few.
        if after is None or len(found) * 2 >= limit:
            break
    return found, after
