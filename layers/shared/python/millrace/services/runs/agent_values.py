"""Values that a run's agents store with its conversation (see `agent.code.values.Values`)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from millrace.agent.suspension import Interrupted
from millrace.errors import Unavailable
from millrace.services.runs.run_work import RunWork
from millrace.stores.agent_values import AgentValueStore
from millrace.stores.dynamo import TransactItem
from millrace.stores.lease_record import LeaseLost

T = TypeVar("T")


class RunValues(Struct, frozen=True):
    """Writes values while the run's lease is held.

    Raises `Interrupted` if the run was taken over or has ended.
    """

    store: AgentValueStore
    session: RunWork

    async def get(self, agent_id: str, key: str) -> bytes | None:
        """Return a value."""
        return await self.store.get(self.session.run.slot, agent_id, key)

    async def put(self, agent_id: str, key: str, value: bytes) -> None:
        """Store a value."""
        slot = self.session.run.slot
        await self._write(lambda check: self.store.put(check, slot, agent_id, key, value))

    async def delete(self, agent_id: str, keys: Sequence[str]) -> int:
        """Delete values."""
        slot = self.session.run.slot
        return await self._write(lambda check: self.store.delete(check, slot, agent_id, keys))

    async def keys(self, agent_id: str, prefix: str, after: str, limit: int) -> list[str]:
        """Return the keys with a prefix."""
        return await self.store.keys(self.session.run.slot, agent_id, prefix, after, limit)

    async def _write(self, write: Callable[[TransactItem], Awaitable[T]]) -> T:
        try:
            return await self.session.write_values(write)
        except (LeaseLost, Unavailable) as error:
            raise Interrupted(error) from error
