"""Search for conversations by the text of their messages.

DynamoDB has no full-text index, so the messages are read. A request reads the latest conversations of a list,
a few at a time, until it has found enough or reached the limit for one request. The next request continues.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from millrace.domain.content import plain_text
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.errors import Unavailable
from millrace.services.search import has_words
from millrace.stores.connect import Stores
from millrace.stores.directory import Position

log = logging.getLogger(__name__)
ReadPage = Callable[[int, Position | None], Awaitable[tuple[list[Conversation], Position | None]]]

AT_ONCE = 8
"""Conversations that are read concurrently."""
MOST_READS = 40
"""Message queries, each of at most 1 MB, after which a request begins no more."""
PAGES = 5
"""Queries of one conversation: its latest messages (200 or 1 MB), and the four pages before them."""
MOST_MATCHES = 3
"""Messages that are shown of one conversation, the latest."""
BEFORE, AFTER = 60, 140


class Match(Struct, frozen=True):
    """A message with all words of a query, and the part of its text around the first of them."""

    message: StoredMessage
    snippet: str

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "messageId": self.message.id,
            "runId": self.message.run_id,
            "role": self.message.role,
            "createdAt": self.message.created_at,
            "snippet": self.snippet,
        }


class Found(Struct, frozen=True):
    """A conversation with its matching messages, latest first."""

    conversation: Conversation
    matches: list[Match]

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return self.conversation.to_wire() | {"matches": [one.to_wire() for one in self.matches]}


async def find_by_text(
    stores: Stores,
    organization: str,
    read_page: ReadPage,
    words: list[str],
    limit: int,
    after: Position | None,
) -> tuple[list[Found], Position | None]:
    """Return at most `limit` conversations with a message that has all the words, and the next position.

    There may be fewer, even none, although more follow. The texts of the active branch are searched, which
    every visibility shows.
    """
    found: list[Found] = []
    reads = 0
    while True:
        page, after = await read_page(min(AT_ONCE, limit - len(found)), after)
        listed = [one for one in page if one.listed]
        searched = await asyncio.gather(
            *(_search(stores, Slot(organization, one.id), words) for one in listed)
        )
        found += [Found(one, hits) for one, (hits, _) in zip(listed, searched, strict=True) if hits]
        reads += sum(read for _, read in searched)
        if after is None or len(found) >= limit or reads >= MOST_READS:
            return found, after


async def _search(stores: Stores, slot: Slot, words: list[str]) -> tuple[list[Match], int]:
    """Return the matches in a conversation, and the number of queries.

    A conversation that cannot be read has no matches, so that the others are still searched.
    """
    try:
        return await _matches(stores, slot, words)
    except Unavailable:
        raise
    except Exception:
        log.exception("the conversation %s cannot be searched", slot.key)
        return [], 1


async def _matches(stores: Stores, slot: Slot, words: list[str]) -> tuple[list[Match], int]:
    snapshot = await stores.conversations.open(slot)
    path = snapshot.lease_record.tree.path()
    found = [match for one in reversed(snapshot.on(path)) if (match := _match(one, words))]
    reads = 1
    if snapshot.first > 1 and len(found) < MOST_MATCHES:
        async for page in stores.messages.backwards(slot, path, snapshot.first):
            reads += 1
            found += [match for _, one, _ in page if (match := _match(one, words))]
            if reads == PAGES or len(found) >= MOST_MATCHES:
                break
    return found[:MOST_MATCHES], reads


def _match(message: StoredMessage, words: list[str]) -> Match | None:
    text = plain_text(message.content)
    return Match(message, snippet_of(text, words)) if has_words(words, text) else None


def snippet_of(text: str, words: list[str]) -> str:
    """Return the part of a text around the first of the words, on one line."""
    places = (re.search(re.escape(word), text, re.IGNORECASE) for word in words)
    first = min((place.start() for place in places if place), default=0)
    begin, end = max(0, first - BEFORE), first + AFTER
    shown = " ".join(text[begin:end].split())
    return ("…" if begin else "") + shown + ("…" if end < len(text) else "")
