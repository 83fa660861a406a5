"""Agents in DynamoDB: one item for each organization and id. Reads are cached for a few seconds."""

import time

import orjson

from millrace.domain.agents import Agent, fixed_agent
from millrace.domain.limits import check_count
from millrace.domain.replacement import changed
from millrace.errors import Conflict, NotFound
from millrace.stores.creations import count_items, create_counted
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    put,
)
from millrace.stores.reading import readable
from millrace.stores.unchanged import delete_unchanged, refusal

CACHE_SECONDS = 5.0
_CACHE_SIZE = 1000
WARMED = 25


class AgentStore:
    """The table of agents. Built-in agents belong to every organization."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table
        self._cache: dict[tuple[str, str], tuple[float, Agent]] = {}
        self._warmed: dict[str, float] = {}

    async def get(self, organization: str, agent_id: str) -> Agent:
        """Return an agent, which may be up to `CACHE_SECONDS` old. Raises `NotFound`."""
        if fixed := fixed_agent(agent_id):
            return fixed
        cached = self._cache.get((organization, agent_id))
        if cached and time.monotonic() - cached[0] < CACHE_SECONDS:
            return cached[1]
        return await self.read(organization, agent_id)

    async def read(self, organization: str, agent_id: str) -> Agent:
        """Return the current agent, bypassing the cache, for a write that depends on it.

        Raises `NotFound`.
        """
        item = await self._dynamo.get(self._table, {"pk": organization, "sk": agent_id})
        if item is None:
            raise unknown_agent(agent_id)
        agent = _to_agent(item)
        self._remember(organization, agent)
        return agent

    async def warm(self, organization: str) -> None:
        """Read an organization's first agents into the cache, unless this was done within `CACHE_SECONDS`.

        Takes one round trip and runs in parallel with the query that finds a conversation's agent.
        """
        if time.monotonic() - self._warmed.get(organization, -CACHE_SECONDS) < CACHE_SECONDS:
            return
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": organization}},
            ConsistentRead=True,
            Limit=WARMED,
        )
        for agent in readable(items, _to_agent):
            self._remember(organization, agent)
        self._warmed[organization] = time.monotonic()

    def _remember(self, organization: str, agent: Agent) -> None:
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
            self._warmed.clear()
        self._cache[organization, agent.id] = (time.monotonic(), agent)

    async def page(self, organization: str, after: str, limit: int) -> tuple[list[Agent], str | None]:
        """Return stored agents with ids above `after`, in order of their ids, and the id to continue
        after."""
        # DynamoDB rejects an empty string in a key condition; a space sorts before every id.
        items = await self._dynamo.query(
            self._table, "pk = :pk AND sk > :after", limit=limit, pk=organization, after=after or " "
        )
        return readable(items, _to_agent), items[-1]["sk"] if len(items) == limit else None

    async def create(
        self, organization: str, agent: Agent, *more: TransactItem, most: int | None = None
    ) -> None:
        """Store an agent together with the writes in `more`.

        Raises `Conflict` if the id is taken, and `TooManyRequests` if there are already `most` agents.
        """
        new = put(self._table, _to_item(organization, agent), new=True)

        async def check() -> None:
            there_are = await count_items(self._dynamo, self._table, organization, most or 0)
            check_count("agents", most, there_are)

        try:
            if most is None:
                await self._dynamo.transact(new, *more)
            else:
                await create_counted(self._dynamo, self._table, f"{organization}#", check, new, *more)
        except ConditionFailed as error:
            raise Conflict(
                f"An agent with the id {agent.id!r} already exists.", code="agent_exists"
            ) from error

    async def replace(self, organization: str, agent: Agent, unchanged_since: str | None) -> None:
        """Replace an agent. Raises `Conflict` if it was changed or deleted in the meantime."""
        item = _to_item(organization, agent)
        request = put(self._table, item, new=True)
        request["Put"] |= {
            "ConditionExpression": "updatedAt = :seen",
            "ExpressionAttributeValues": {":seen": {"S": unchanged_since or ""}},
        }
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            raise changed() from error
        # Other processes keep the old agent for up to `CACHE_SECONDS`, because nothing notifies them.
        self._cache.pop((organization, agent.id), None)

    async def delete(
        self, organization: str, agent_id: str, *more: TransactItem, unchanged_since: str | None = None
    ) -> None:
        """Delete an agent together with the writes in `more`.

        Raises `NotFound`, and `Conflict` if the agent was changed after `unchanged_since`.
        """
        key = {"pk": organization, "sk": agent_id}
        try:
            await self._dynamo.transact(delete_unchanged(self._table, key, unchanged_since), *more)
        except ConditionFailed as error:
            raise refusal(error, unknown_agent(agent_id)) from error
        self._cache.pop((organization, agent_id), None)


def unknown_agent(agent_id: str) -> NotFound:
    """Return the error for an id that no agent of the organization has."""
    return NotFound(f"No agent has the id {agent_id!r}. GET /api/agents lists them.", code="agent_not_found")


def _to_item(organization: str, agent: Agent) -> Item:
    return {
        "pk": organization,
        "sk": agent.id,
        "updatedAt": agent.updated_at or "",
        "body": agent.model_dump_json(by_alias=True),
    }


def _to_agent(item: Item) -> Agent:
    return Agent.model_validate(orjson.loads(item["body"]))
