"""Memories that agents keep about their users."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

MEMORY_BYTES = 4000
"""The maximum size of one memory, in bytes of UTF-8."""
MOST_MEMORIES = 200
"""The maximum number of memories of one user with one agent."""


class Memory(Struct, frozen=True):
    """A memory of an agent about a user. Times are ISO 8601."""

    id: str
    agent_id: str
    text: str
    created_at: str
    updated_at: str

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "id": self.id,
            "agentId": self.agent_id,
            "text": self.text,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }


def best_matches(memories: Sequence[Memory], query: str, limit: int) -> list[Memory]:
    """Return the memories that contain most of the query's words, latest first among equals; without a query,
    the latest."""
    latest = sorted(memories, key=lambda one: one.updated_at, reverse=True)
    words = set(query.lower().split())
    if not words:
        return latest[:limit]
    scored = [(sum(word in one.text.lower() for word in words), one) for one in latest]
    scored.sort(key=lambda pair: -pair[0])
    return [one for score, one in scored if score][:limit]
