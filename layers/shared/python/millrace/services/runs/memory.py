"""The memory of a run's agent about the user that it works for."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.ids import new_id
from millrace.domain.memories import Memory, best_matches
from millrace.errors import NotFound
from millrace.stores.memories import MemoryStore

Report = Callable[[str, dict[str, Any]], None]


class UserMemory(Struct, frozen=True):
    """See `agent.tools.tool.Memories`. `report` is called with each operation and its subject."""

    store: MemoryStore
    user: Principal
    report: Report

    async def remember(self, agent_id: str, text: str, id: str) -> Memory:
        """Store a memory. Without an id it gets a new one."""
        user = self.user
        made = await self.store.put(user.organization, user.id, agent_id, id or new_id("mem"), text)
        self.report("remember", {"memoryId": made.id, "text": text})
        return made

    async def recall(self, agent_id: str, query: str, limit: int) -> Sequence[Memory]:
        """Return the best matches."""
        known = await self.store.of_agent(self.user.organization, self.user.id, agent_id)
        found = best_matches(known, query, limit)
        self.report("recall", {"query": query, "hits": len(found)})
        return found

    async def forget(self, agent_id: str, id: str) -> bool:
        """Delete a memory. Return False if it does not exist."""
        try:
            await self.store.delete(self.user.organization, self.user.id, agent_id, id)
        except NotFound:
            return False
        self.report("forget", {"memoryId": id})
        return True
