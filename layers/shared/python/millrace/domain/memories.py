"""Memories that agents keep of their users."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

MEMORY_BYTES = 4000
"""The most that one memory may have, in bytes of UTF-8."""
MOST_MEMORIES = 200
"""Of one user with one agent."""


class Memory(Struct, frozen=True):
    """Something that an agent remembers of a user. Times are ISO 8601."""

    id: str
    agent_id: str
    text: str
    created_at: str
    updated_at: str

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
        return {
            "id": self.id,
            "agentId": self.agent_id,
            "text": self.text,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }


def best_matches(memories: Sequence[Memory], query: str, limit: int) -> list[Memory]:
    """The memories that hold most of the query's words, the latest first among equals; without a query the
    latest."""
    latest = sorted(memories, key=lambda one: one.updated_at, reverse=True)
    words = set(query.lower().split())
    if not words:
        return latest[:limit]
    scored = [(sum(word in one.text.lower() for word in words), one) for one in latest]
    scored.sort(key=lambda pair: -pair[0])
    return [one for score, one in scored if score][:limit]
