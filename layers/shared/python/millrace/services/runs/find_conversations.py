"""Finding conversations by their titles."""

from collections.abc import Awaitable, Callable

from millrace.domain.conversations import Conversation
from millrace.services.search import has_words, search, words_of
from millrace.stores.directory import Position

Page = tuple[list[Conversation], Position | None]
ReadPage = Callable[[int, Position | None], Awaitable[Page]]


async def find_by_title(read_page: ReadPage, query: str, limit: int, after: Position | None) -> Page:
    """Return the conversations of a list whose titles have every word of a query, as `search` does."""
    words = words_of(query)
    return await search(read_page, lambda one: has_words(words, one.title), limit, after)
