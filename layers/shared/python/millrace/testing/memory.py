"""In-memory stores of a deployment."""

from collections.abc import Callable, Mapping, Sequence

from millrace.domain.clock import iso
from millrace.domain.ids import new_id
from millrace.domain.memories import Memory, best_matches
from millrace.errors import Unavailable


class UserMemories:
    """The memories of one user (`agent.tools.tool.Memories`)."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], Memory] = {}

    async def remember(self, agent_id: str, text: str, id: str) -> Memory:
        """Store a memory."""
        now = iso(self._clock())
        made = Memory(id or new_id("memory"), agent_id, text, now, now)
        self._known[agent_id, made.id] = made
        return made

    async def recall(self, agent_id: str, query: str, limit: int) -> Sequence[Memory]:
        """Return the memories that match a query best."""
        return best_matches(
            [one for (agent, _), one in self._known.items() if agent == agent_id], query, limit
        )

    async def forget(self, agent_id: str, id: str) -> bool:
        """Delete a memory."""
        return self._known.pop((agent_id, id), None) is not None


class MemorySecrets:
    """Secrets by name (`agent.tools.tool.Secrets`)."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def text(self, name: str) -> str:
        """Return a secret's text. Raises `Unavailable` if there is none."""
        if name not in self._secrets:
            raise Unavailable(f"The secret {name} cannot be read.", retry_after=2)
        return self._secrets[name]

    async def read(self, name: str) -> str:
        """Return a secret's text."""
        return self.text(name)


class MemoryValues:
    """The values that agents in code keep (`agent.code.values.Values`), by agent and key."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], bytes] = {}

    async def get(self, agent_id: str, key: str) -> bytes | None:
        """Return a value."""
        return self.known.get((agent_id, key))

    async def put(self, agent_id: str, key: str, value: bytes) -> None:
        """Store a value."""
        self.known[agent_id, key] = value

    async def delete(self, agent_id: str, keys: Sequence[str]) -> int:
        """Delete values; return how many existed."""
        return sum(self.known.pop((agent_id, key), None) is not None for key in keys)

    async def keys(self, agent_id: str, prefix: str, after: str, limit: int) -> list[str]:
        """Return the keys with a prefix that follow `after`, in order."""
        found = (key for agent, key in self.known if agent == agent_id and key.startswith(prefix))
        return sorted(key for key in found if key > after)[:limit]
