"""Memories in DynamoDB: a partition for each user, with `M#<agent>#<id>` and the head `A#<agent>`.

Each write increments the head's version in the same transaction, so the limit on memories is exact. (A
counter would not work, as DynamoDB deletes expired memories by itself.) The transaction also lists the user
with the agent, and is refused for a deleted agent (see `forgotten_agents`).
"""

from contextlib import suppress
from typing import Any

from millrace.domain.clock import Clock, from_iso, iso
from millrace.domain.memories import MOST_MEMORIES, Memory
from millrace.errors import Conflict, NotFound
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    delete,
    delete_when,
    put,
    to_item,
    update,
)
from millrace.stores.forgotten_agents import not_gone, user_key
from millrace.stores.reading import readable

TRIES = 8
GONE = 1
"""The position of the check for a deleted agent in the transaction that stores a memory."""


class MemoryStore:
    """The table of memories. A memory is kept for `seconds` after its last change; 0 means forever."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock, seconds: int) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock
        self._seconds = seconds

    async def of_agent(self, organization: str, user: str, agent_id: str) -> list[Memory]:
        """Return everything that an agent remembers about a user."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :prefix)",
            pk=_partition(organization, user),
            prefix=f"M#{agent_id}#",
        )
        return self._alive(items)

    async def page(
        self, organization: str, user: str, after: str, limit: int
    ) -> tuple[list[Memory], str | None]:
        """Return a page of all memories about a user, by agent and id, and the key to continue after."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :low AND :high",
            limit=limit,
            pk=_partition(organization, user),
            low=f"M#{after}\x01" if after else "M#",
            high="M#~",
        )
        more = items[-1]["sk"].removeprefix("M#") if len(items) == limit else None
        return self._alive(items), more

    async def put(self, organization: str, user: str, agent_id: str, id: str, text: str) -> Memory:
        """Store a memory, replacing one with the same id.

        Raises `Conflict` if there are too many, and `NotFound` for a deleted agent.
        """
        for _ in range(TRIES):
            # The version is read before the memories are counted: a write in between increments it, and this
            # write is refused.
            head = await self._dynamo.get(self._table, _head_key(organization, user, agent_id))
            known = {one.id: one for one in await self.of_agent(organization, user, agent_id)}
            if id not in known and len(known) >= MOST_MEMORIES:
                raise Conflict(
                    f"A user may have {MOST_MEMORIES} memories; forget one first.",
                    code="too_many_memories",
                )
            now = iso(self._clock())
            made = Memory(id, agent_id, text, known[id].created_at if id in known else now, now)
            try:
                await self._dynamo.transact(
                    self._next_version(organization, user, agent_id, head),
                    not_gone(self._table, organization, agent_id),
                    put(self._table, self._item(organization, user, made)),
                    put(self._table, self._listed(organization, user, made)),
                )
            except ConditionFailed as error:
                if GONE in error.items:
                    raise NotFound("The agent was deleted.", code="agent_not_found") from error
                continue  # another write came first, so count again
            return made
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    def _next_version(self, organization: str, user: str, agent_id: str, head: Item | None) -> Any:
        return update(
            self._table,
            _head_key(organization, user, agent_id),
            "SET version = :next",
            "version = :seen OR (:seen = :zero AND attribute_not_exists(version))",
            seen=head["version"] if head else 0,
            next=(head["version"] if head else 0) + 1,
            zero=0,
        )

    async def delete(self, organization: str, user: str, agent_id: str, id: str) -> None:
        """Delete a memory. Raises `NotFound`."""
        try:
            # A deletion leaves the version unchanged: with fewer memories than were counted, no limit is
            # exceeded.
            await self._dynamo.write(delete(self._table, _key(organization, user, agent_id, id)))
        except ConditionFailed as error:
            raise NotFound("No memory has this id.", code="memory_not_found") from error

    async def delete_user(self, organization: str, user: str) -> None:
        """Delete everything that is remembered about a user. Can be repeated safely."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_item({":pk": _partition(organization, user)}),
            "ProjectionExpression": "pk, sk",
            "ConsistentRead": True,
        }
        heads: list[str] = []
        while True:
            items, last = await self._dynamo.query_page(**request)
            heads += [item["sk"].removeprefix("A#") for item in items if item["sk"].startswith("A#")]
            await self._dynamo.delete_all(self._table, [item for item in items if item["sk"][0] == "M"])
            if last is None:
                break
            request["ExclusiveStartKey"] = last
        for agent_id in heads:
            await self._delete_head(organization, user, agent_id)

    async def _delete_head(self, organization: str, user: str, agent_id: str) -> None:
        """Delete the head of an agent and its listing for the user, unless the agent remembers something
        again."""
        head = _head_key(organization, user, agent_id)
        item = await self._dynamo.get(self._table, head)
        if item is None or await self.of_agent(organization, user, agent_id):
            return
        with suppress(ConditionFailed):
            await self._dynamo.transact(
                delete_when(self._table, head, "version = :seen", seen=item["version"]),
                delete(self._table, user_key(organization, agent_id, user), existing=False),
            )

    async def keys(self, organization: str, user: str, agent_id: str) -> list[Item]:
        """Return the keys of everything that is stored about a user for an agent."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :prefix)",
            pk=_partition(organization, user),
            prefix=f"M#{agent_id}#",
        )
        found = [{"pk": item["pk"], "sk": item["sk"]} for item in items]
        return [*found, _head_key(organization, user, agent_id)]

    def _item(self, organization: str, user: str, memory: Memory) -> Item:
        item = _key(organization, user, memory.agent_id, memory.id) | {
            "memoryId": memory.id,
            "agentId": memory.agent_id,
            "content": memory.text,
            "createdAt": memory.created_at,
            "updatedAt": memory.updated_at,
        }
        return item | self._expiry(memory)

    def _listed(self, organization: str, user: str, memory: Memory) -> Item:
        return user_key(organization, memory.agent_id, user) | self._expiry(memory)

    def _expiry(self, memory: Memory) -> Item:
        if not self._seconds:
            return {}
        return {"expiresAt": from_iso(memory.updated_at) // 1000 + self._seconds}

    def _alive(self, items: list[Item]) -> list[Memory]:
        """Return the memories of items that have not expired; DynamoDB deletes late."""
        now = self._clock() // 1000
        return readable([item for item in items if item.get("expiresAt", now + 1) > now], _to_memory)


def _partition(organization: str, user: str) -> str:
    """Return a user's partition. No organization has `#` in its name, so partitions never coincide."""
    return f"{organization}#{user}"


def _key(organization: str, user: str, agent_id: str, id: str) -> Item:
    return {"pk": _partition(organization, user), "sk": f"M#{agent_id}#{id}"}


def _head_key(organization: str, user: str, agent_id: str) -> Item:
    return {"pk": _partition(organization, user), "sk": f"A#{agent_id}"}


def _to_memory(item: Item) -> Memory:
    return Memory(item["memoryId"], item["agentId"], item["content"], item["createdAt"], item["updatedAt"])
