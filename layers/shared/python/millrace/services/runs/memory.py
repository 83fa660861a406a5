"""The memory of one run's agent: what it remembers of the user for whom it works."""

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
    """See `agent.tools.tool.Memories`. `report` is told each operation and what it was about."""

    store: MemoryStore
    user: Principal
    report: Report

    async def remember(self, agent_id: str, text: str, id: str) -> Memory:
        """Store a memory; without an id it gets one."""
        user = self.user
        made = await self.store.put(user.organization, user.id, agent_id, id or new_id("mem"), text)
        self.report("remember", {"memoryId": made.id, "text": text})
        return made

    async def recall(self, agent_id: str, query: str, limit: int) -> Sequence[Memory]:
        """The memories that fit best."""
        known = await self.store.of_agent(self.user.organization, self.user.id, agent_id)
        found = best_matches(known, query, limit)
        self.report("recall", {"query": query, "hits": len(found)})
        return found

    async def forget(self, agent_id: str, id: str) -> bool:
        """Delete a memory; False where there is none."""
        try:
            await self.store.delete(self.user.organization, self.user.id, agent_id, id)
        except NotFound:
            return False
        self.report("forget", {"memoryId": id})
        return True
