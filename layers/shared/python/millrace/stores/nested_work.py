"""The work of agents for one another within a run, in the partition of the run's slot.

  D#<run>#A#<agent>           an agent that the run may ask, as it was when the run began
  D#<run>#M#<work>#<number>   a message between an agent and its model (see `message_items`)

A process that takes over the run continues this work. Nobody reads it after the run has ended.
"""

import asyncio
import zlib
from collections.abc import Iterable, Mapping

import orjson
from msgspec import Struct, field

from millrace.domain.agents import CODE, Agent
from millrace.domain.conversations import Slot, StoredMessage
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put
from millrace.stores.message_items import nested_key, parts_of, to_message
from millrace.stores.messages import MessageStore
from millrace.stores.reading import readable

AGENTS_AT_ONCE = 10
"""At 256 KB each, these fit into one transaction."""


class NestedWork(Struct, frozen=True):
    """The stored messages of each piece of work, in order, and the agents by their ids."""

    messages: Mapping[str, list[StoredMessage]] = field(default_factory=dict)
    agents: Mapping[str, Agent] = field(default_factory=dict)


class NestedWorkStore:
    """Nested work in the table of conversations.

    Its messages are written with the run's own (see `MessageStore.puts`).
    """

    def __init__(self, dynamo: Dynamo, table: str, messages: MessageStore) -> None:
        self._dynamo = dynamo
        self._table = table
        self._messages = messages

    async def of_run(self, slot: Slot, run_id: str) -> NestedWork:
        """Return everything stored for a run."""
        prefix = nested_key(run_id)
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=slot.key, prefix=prefix
        )
        agents = [_to_agent(item) for item in items if item["sk"].startswith(f"{prefix}A#")]
        heads = [item for item in items if item["sk"].startswith(f"{prefix}M#")]
        found = readable(heads, lambda item: (to_message(item), parts_of(item)))
        parts = {message.id: one for message, one in found if one}
        works: dict[str, list[StoredMessage]] = {}
        for message, _ in found:
            if message.position:
                works.setdefault(message.position.work, []).append(message)
        # An agent in code continues from its full results, not from what fits a model.
        read = (
            self._messages.whole
            if any(one.model.startswith(CODE) for one in agents)
            else self._messages.for_model
        )
        whole = await asyncio.gather(*(read(slot, messages, parts) for messages in works.values()))
        return NestedWork(dict(zip(works, whole, strict=True)), {agent.id: agent for agent in agents})

    async def keep_agents(
        self, lease_check: TransactItem, slot: Slot, run_id: str, agents: Iterable[Agent]
    ) -> None:
        """Store agents of a run. Raises `ConditionFailed` if the run does not hold its slot any more."""
        writes = [put(self._table, _to_item(slot, run_id, agent)) for agent in agents]
        for start in range(0, len(writes), AGENTS_AT_ONCE):
            await self._dynamo.transact(lease_check, *writes[start : start + AGENTS_AT_ONCE])

    async def delete(self, slot: Slot, run_id: str) -> None:
        """Delete everything stored for a run that has ended."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=slot.key, prefix=nested_key(run_id)
        )
        await self._dynamo.delete_all(self._table, [{"pk": item["pk"], "sk": item["sk"]} for item in items])


def _to_item(slot: Slot, run_id: str, agent: Agent) -> Item:
    data = zlib.compress(orjson.dumps(agent.to_wire()), 1)
    return {"pk": slot.key, "sk": f"{nested_key(run_id)}A#{agent.id}", "data": data}


def _to_agent(item: Item) -> Agent:
    return Agent.model_validate(orjson.loads(zlib.decompress(item["data"])))
