"""Deleted agents, whose memories are to be deleted.

In the table of memories, `#gone#<organization>#<agent>` holds the tombstone (`MARK`) of an agent, which every
write of a memory checks; it stays until a new agent uses the id. The partition `#forgetting` lists deleted
agents that may still have memories, and `#users#<organization>#<agent>` the users about whom an agent has
memories. A user's partition begins with an organization's name, so never with `#`.
"""

from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Struct

from millrace.domain.ids import new_ulid
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    check_that,
    delete,
    delete_when,
    put,
    to_item,
)
from millrace.stores.reading import readable

_LIST = "#forgetting"
BATCH = 25


class ForgottenAgent(Struct, frozen=True):
    """A deleted agent whose memories are to be deleted. `token` identifies this deletion."""

    organization: str
    agent_id: str
    token: str


class AgentIsBack(Exception):
    """A new agent uses this id, and the memories now belong to that agent."""


class ForgottenAgentStore:
    """The tombstones of deleted agents."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    def gone(self, organization: str, agent_id: str) -> list[TransactItem]:
        """Return the writes that mark an agent as deleted, for the transaction that deletes it."""
        tombstone = {"deletion": new_ulid(), "agentId": agent_id, "organization": organization}
        listed = {"pk": _LIST, "sk": f"{organization}#{agent_id}"}
        return [
            put(self._table, _tombstone(organization, agent_id) | tombstone),
            put(self._table, listed | tombstone),
        ]

    def back(self, organization: str, agent_id: str) -> TransactItem:
        """Return the write that removes the tombstone, for the transaction that creates an agent."""
        return delete(self._table, _tombstone(organization, agent_id), existing=False)

    async def unfinished(self, limit: int) -> list[ForgottenAgent]:
        """Return some of the deleted agents that may still have memories."""
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": _LIST}),
            ConsistentRead=True,
            Limit=limit,
        )
        return readable(items, _forgotten)

    async def pending(self, organization: str, agent_id: str) -> ForgottenAgent | None:
        """Return the unfinished deletion of an agent, if there is one."""
        item = await self._dynamo.get(self._table, {"pk": _LIST, "sk": f"{organization}#{agent_id}"})
        return _forgotten(item) if item else None

    async def users(self, gone: ForgottenAgent) -> AsyncGenerator[list[str], None]:
        """Yield pages of the users about whom the agent has memories."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_item({":pk": _users(gone.organization, gone.agent_id)}),
            "ConsistentRead": True,
        }
        while True:
            items, after = await self._dynamo.query_page(**request)
            yield [item["sk"] for item in items]
            if after is None:
                return
            request["ExclusiveStartKey"] = after

    async def delete(self, gone: ForgottenAgent, keys: list[Item]) -> None:
        """Delete items in groups of at most 25, each only while the agent is deleted.

        Raises `AgentIsBack`.
        """
        tombstone = _tombstone(gone.organization, gone.agent_id)
        still_gone = check_that(self._table, tombstone, "deletion = :token", token=gone.token)
        for start in range(0, len(keys), BATCH):
            removals = (delete(self._table, key, existing=False) for key in keys[start : start + BATCH])
            try:
                await self._dynamo.transact(still_gone, *removals)
            except ConditionFailed as error:
                raise AgentIsBack from error

    async def finish(self, gone: ForgottenAgent) -> None:
        """Remove the agent from the list of those whose memories are to be deleted."""
        key = {"pk": _LIST, "sk": f"{gone.organization}#{gone.agent_id}"}
        try:
            await self._dynamo.write(delete_when(self._table, key, "deletion = :token", token=gone.token))
        except ConditionFailed:
            return  # another process has done so, or the agent was deleted again


def not_gone(table: str, organization: str, agent_id: str) -> TransactItem:
    """Return a condition for a transaction: the agent is not deleted."""
    return check_that(table, _tombstone(organization, agent_id), "attribute_not_exists(pk)")


def user_key(organization: str, agent_id: str, user: str) -> Item:
    """Return the key that lists a user as one about whom an agent has memories."""
    return {"pk": _users(organization, agent_id), "sk": user}


def _tombstone(organization: str, agent_id: str) -> Item:
    return {"pk": f"#gone#{organization}#{agent_id}", "sk": "MARK"}


def _users(organization: str, agent_id: str) -> str:
    return f"#users#{organization}#{agent_id}"


def _forgotten(item: Item) -> ForgottenAgent:
    return ForgottenAgent(item["organization"], item["agentId"], item["deletion"])
