"""Search in a user's conversations, for the tool of that name."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from millrace.agent.tools.tool import SearchConversations, SearchHit
from millrace.domain.access import Principal
from millrace.domain.content import plain_text
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.errors import Unavailable
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)
SEARCHED = 20


def search_in(
    stores: Stores, current: Slot, user: Principal, report: Callable[[str, int], None]
) -> SearchConversations:
    """Return a search of the user's own latest conversations except the current one.

    It returns messages with every word of the query, then those with any of them, the latest conversation
    first. Only texts that every visibility shows are searched. `report` gets each query and its number of
    hits.

    Scopes never widen the search: an agent that has read a web page must not reach other users' messages
    because an operator asked.
    """

    async def search(query: str, limit: int) -> Sequence[SearchHit]:
        words = query.lower().split()
        found, _ = await stores.directory.page(current.organization, user.id, SEARCHED)
        others = [one for one in found if one.listed and one.id != current.conversation_id]
        slots = [Slot(current.organization, one.id) for one in others]
        histories = await asyncio.gather(*(_history(stores, slot) for slot in slots))
        hits = [
            (score, hit)
            for one, history in zip(others, histories, strict=True)
            for score, hit in _hits(one, history, words)
        ]
        # The sort is stable: among equals, the latest conversation stays first.
        hits.sort(key=lambda pair: -pair[0])
        report(query, len(hits))
        return [hit for _, hit in hits[:limit]]

    return search


async def _history(stores: Stores, slot: Slot) -> list[StoredMessage]:
    """Return the messages of a conversation, or none if it cannot be read, so that the others are
    searched."""
    try:
        return (await stores.conversations.open(slot)).history
    except Unavailable:
        raise
    except Exception:
        log.exception("the conversation %s cannot be read", slot.key)
        return []


def _hits(
    conversation: Conversation, messages: list[StoredMessage], words: list[str]
) -> list[tuple[int, SearchHit]]:
    found = []
    for message in reversed(messages):
        text = plain_text(message.content)
        score = sum(word in text.lower() for word in words)
        if score:
            found.append((score, SearchHit(conversation.id, message.created_at, message.role, text)))
    return found
