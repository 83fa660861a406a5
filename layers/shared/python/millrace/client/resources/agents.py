"""Agents, and their memories of users."""

from collections.abc import Mapping
from typing import Any

from millrace.api.schemas.agents import AgentPage, AgentParts, AgentToolPage
from millrace.api.schemas.conversations import Memory, MemoryPage
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.naming import body
from millrace.client.operations import IO, Listing, Resource, listing, operation
from millrace.domain.agents import Agent, AgentSettings, AgentSummary

BASE = "/api/agents"
Definition = AgentSettings | Mapping[str, Any] | None
"""One of our models, or a mapping with JSON's names."""


def _view(data: Any) -> Agent | AgentSummary:
    """Return an agent, or its summary for callers who may only use it."""
    return model(Agent)(data) if "model" in data and "instructions" in data else model(AgentSummary)(data)


class Agents(Resource[IO]):
    """`client.agents`"""

    @listing
    def list(self, *, query: str | None = None, limit: int | None = None) -> Listing[Agent | AgentSummary]:
        """List agents, the built-in ones first; `query` has words of their name or id."""
        return Listing(Request("GET", BASE, given(q=query, limit=limit)), model(AgentPage))

    @operation
    def get(self, agent_id: str) -> Call[Agent | AgentSummary]:
        """Read an agent."""
        return Call(Request("GET", path(BASE + "/{}", agent_id)), _view)

    @operation
    def create(self, definition: Definition = None, /, **fields: Any) -> Call[Agent]:
        """Create an agent: `create(id="clerk", name="Clerk", model="...", instructions="...")`."""
        return Call(Request("POST", BASE, body=body(definition, fields)), model(Agent))

    @operation
    def put(
        self,
        agent_id: str,
        definition: Definition = None,
        /,
        unchanged_since: str | None = None,
        dry_run: bool | None = None,
        **fields: Any,
    ) -> Call[Agent]:
        """Replace an agent, or create it."""
        options = given(unchangedSince=unchanged_since, dryRun=dry_run)
        where = path(BASE + "/{}", agent_id)
        return Call(Request("PUT", where, options, body(definition, fields)), model(Agent))

    @operation
    def change(self, agent_id: str, definition: Definition = None, /, **fields: Any) -> Call[Agent]:
        """Change the given fields; `limits` is changed field by field."""
        request = Request(
            "PATCH", path(BASE + "/{}", agent_id), body=body(definition, fields), repeatable=True
        )
        return Call(request, model(Agent))

    @operation
    def delete(self, agent_id: str, *, unchanged_since: str | None = None) -> Call[None]:
        """Delete an agent; its conversations are kept."""
        options = given(unchangedSince=unchanged_since)
        return Call(Request("DELETE", path(BASE + "/{}", agent_id), options), nothing)

    @operation
    def tools(self, agent_id: str) -> Call[AgentToolPage]:
        """List the tools that an agent has now, and the problems of its MCP servers."""
        return Call(Request("GET", path(BASE + "/{}/tools", agent_id)), model(AgentToolPage))

    @operation
    def parts(self) -> Call[AgentParts]:
        """List the tools and model providers that agents can use."""
        return Call(Request("GET", "/api/agent-parts"), model(AgentParts))


class Memories(Resource[IO]):
    """`client.memories`"""

    @listing
    def list(self, *, user_id: str | None = None, limit: int | None = None) -> Listing[Memory]:
        """List the memories about you, or about another user."""
        return Listing(Request("GET", "/api/memories", given(userId=user_id, limit=limit)), model(MemoryPage))

    @operation
    def forget(self, agent_id: str, memory_id: str, *, user_id: str | None = None) -> Call[None]:
        """Delete a memory."""
        where = path("/api/memories/{}/{}", agent_id, memory_id)
        return Call(Request("DELETE", where, given(userId=user_id)), nothing)

    @operation
    def forget_user(self, *, user_id: str | None = None) -> Call[None]:
        """Delete all memories about you, or about another user."""
        return Call(Request("DELETE", "/api/memories", given(userId=user_id)), nothing)
