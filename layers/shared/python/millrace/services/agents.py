"""Agents of an organization: create, change, delete."""

import logging
from functools import partial
from typing import Any

from millrace.agent.providers.extended_thinking import can_think
from millrace.agent.providers.registry import check_model
from millrace.domain.access import Principal
from millrace.domain.agents import (
    AGENT_BYTES,
    Agent,
    AgentReplacement,
    AgentSettings,
    fixed_agent,
    listed_agents,
)
from millrace.domain.clock import iso, updated_time
from millrace.domain.ids import new_id, valid_id
from millrace.domain.replacement import PLAIN, WriteOptions, check_same, settings_of
from millrace.errors import Conflict, InvalidRequest, MillraceError, NotFound, TooLarge
from millrace.net.addresses import Rules
from millrace.services.forget_agents import forget_agent
from millrace.services.mcp_checks import check_servers
from millrace.services.mcp_secrets import Owner
from millrace.services.runs.agent_tools import AgentTools, check_tools, no_sub_agent, open_tools
from millrace.services.runs.output_format import check_response_schema
from millrace.services.runs.platform import Platform
from millrace.services.runs.sweep_time import sweep_time
from millrace.services.runs.tool_rules import check_rules, is_mcp_rule
from millrace.services.search import has_words, search, words_of
from millrace.settings import Settings
from millrace.stores.sizes import text_bytes

log = logging.getLogger(__name__)
READ_ONLY = frozenset({"id", "builtin", "createdAt", "updatedAt"})


class Agents:
    """Operations on agents, for callers that the API has authorized."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._store = platform.stores.agents
        self._defaults = platform.settings.default_model, platform.settings.default_agent
        self._clock = platform.stores.clock

    async def page(
        self, caller: Principal, after: str, limit: int, query: str = ""
    ) -> tuple[list[Agent], str | None]:
        """Return the built-in agents, then the organization's in order of their ids, and the id to continue
        after.

        Only agents whose names or ids have every word of the query.
        """
        words = words_of(query)

        def matches(agent: Agent) -> bool:
            return has_words(words, agent.id, agent.name)

        builtin = listed_agents(*self._defaults) if not after else []
        read_page = partial(self._store.page, caller.organization)
        stored, more = await search(lambda most, behind: read_page(behind or "", most), matches, limit, after)
        return [*filter(matches, builtin), *stored], more

    async def get(self, caller: Principal, agent_id: str) -> Agent:
        """Return an agent. Raises `NotFound`."""
        return await self._store.get(caller.organization, agent_id)

    async def create(
        self, caller: Principal, given: AgentSettings, agent_id: str | None, dry_run: bool = False
    ) -> Agent:
        """Create an agent.

        Raises `Conflict` for a taken id, `InvalidRequest` for an invalid one, `TooManyRequests` at the limit.
        """
        agent_id = agent_id or new_id("agent")
        if not valid_id(agent_id):
            raise InvalidRequest(
                "id must have 1 to 128 of the characters A-Z a-z 0-9 _ . : ~ -.", code="invalid_id"
            )
        if fixed_agent(agent_id):
            raise Conflict(f"{agent_id!r} is a built-in agent.", code="agent_exists")
        stored = await self._checked(Owner(caller.organization, agent_id), given)
        now = iso(self._clock())
        made = Agent(id=agent_id, created_at=now, updated_at=now, **dict(stored))
        if dry_run:
            return made
        # Memories of an earlier agent with this id must not become the new agent's.
        await forget_agent(self._platform.stores, caller.organization, agent_id)
        back = self._platform.stores.forgotten_agents.back(caller.organization, agent_id)
        limits = (await self._platform.stores.limits.control(caller.organization)).limits
        await self._store.create(caller.organization, made, back, most=limits.organization.agents)
        return made

    async def change(self, caller: Principal, agent_id: str, changes: dict[str, Any]) -> Agent:
        """Merge the given fields into the agent (`limits` field by field).

        Raises pydantic's `ValidationError` for invalid fields, and `Conflict` if the agent was changed in the
        meantime.
        """
        _must_be_stored(agent_id)
        old = await self._store.read(caller.organization, agent_id)
        # Sealed values are `[hidden]` here, which makes `McpSecrets.seal` keep the stored ones.
        kept = {name: value for name, value in old.redacted().to_wire().items() if name not in READ_ONLY}
        changes = {name: value for name, value in changes.items() if name not in READ_ONLY}
        if isinstance(changes.get("limits"), dict):
            changes = changes | {"limits": kept["limits"] | changes["limits"]}
        return await self._replace(caller, old, AgentSettings.model_validate(kept | changes))

    async def put(
        self,
        caller: Principal,
        agent_id: str,
        given: AgentReplacement,
        options: WriteOptions = PLAIN,
    ) -> tuple[Agent, bool]:
        """Replace the agent's settings, or create the agent. Return the agent and whether it is new.

        Raises `InvalidRequest` or `Conflict`.
        """
        _must_be_stored(agent_id)
        check_same("id", given.id, agent_id)
        settings = settings_of(AgentSettings, given)
        try:
            old = await self._store.read(caller.organization, agent_id)
        except NotFound:
            options.check(None)
            return await self.create(caller, settings, agent_id, options.dry_run), True
        options.check(old.updated_at)
        return await self._replace(caller, old, settings, options.dry_run), False

    async def _replace(
        self, caller: Principal, old: Agent, given: AgentSettings, dry_run: bool = False
    ) -> Agent:
        stored = await self._checked(Owner(caller.organization, old.id), given, old)
        now = updated_time(self._clock, old.updated_at)
        new = Agent(id=old.id, created_at=old.created_at, updated_at=now, **dict(stored))
        if not dry_run:
            await self._store.replace(caller.organization, new, old.updated_at)
        return new

    async def delete(self, caller: Principal, agent_id: str, unchanged_since: str | None = None) -> None:
        """Delete an agent and its memories. Its conversations stay, and continue with another agent.

        Raises `NotFound`, and `Conflict` if the agent was changed after `unchanged_since`.
        """
        _must_be_stored(agent_id)
        stores, organization = self._platform.stores, caller.organization
        gone = stores.forgotten_agents.gone(organization, agent_id)
        await self._store.delete(organization, agent_id, *gone, unchanged_since=unchanged_since)
        try:
            async with sweep_time():
                await forget_agent(stores, organization, agent_id)
        except MillraceError as error:  # the agent is deleted; the sweep does the rest
            log.warning("the memories of %s are not deleted yet: %s", agent_id, error.message)

    async def tools(self, caller: Principal, agent_id: str) -> AgentTools:
        """Return the tools that a run of the agent would have now.

        Asks its MCP servers. Raises `NotFound`.
        """
        agent = await self._store.get(caller.organization, agent_id)
        async with open_tools(self._platform, caller.organization, agent, no_sub_agent) as found:
            return found

    async def _checked(
        self, owner: Owner, given: AgentSettings, old: AgentSettings | None = None
    ) -> AgentSettings:
        """Return the settings as they are stored. Raises `InvalidRequest`."""
        _check(given, self._platform.settings)
        rules = Rules(loopback=self._platform.settings.allow_loopback_http)
        check_servers(given.mcp_servers, given.a2a_agents, rules)
        seal = self._platform.mcp_secrets.seal
        servers = await seal(owner, given.mcp_servers, old.mcp_servers if old else ())
        agents = await seal(owner, given.a2a_agents, old.a2a_agents if old else (), field="a2aAgents")
        return given.model_copy(update={"mcp_servers": servers, "a2a_agents": agents})


def _check(given: AgentSettings, settings: Settings) -> None:
    size = text_bytes(given.model_dump_json(by_alias=True))
    if size > AGENT_BYTES:
        raise TooLarge(
            f"The agent has {size:,} bytes as JSON; it must not exceed {AGENT_BYTES:,} bytes.",
            code="agent_too_large",
            limit=AGENT_BYTES,
        )
    check_tools([use.name for use in given.tool_uses if not is_mcp_rule(use)])
    servers = [one.name for one in (*given.mcp_servers, *given.a2a_agents)]
    check_rules(given.tool_uses, servers, settings.approval_seconds)
    if given.response_schema is not None:
        check_response_schema(given.response_schema)
    if given.model:
        check_model(given.model, settings)
    if given.compaction_model:
        check_model(given.compaction_model, settings)
    if given.thinking_tokens is not None:
        possible = can_think(*check_model(given.model or settings.default_model, settings))
        _check_thinking(given, possible, given.thinking_tokens)


def _check_thinking(given: AgentSettings, possible: bool, tokens: int) -> None:
    if not possible:
        raise InvalidRequest(
            "thinkingTokens is only supported for Claude models since 3.7, on Anthropic or Bedrock; omit it "
            "here.",
            code="cannot_think",
        )
    if tokens >= given.limits.max_tokens:
        raise InvalidRequest(
            f"thinkingTokens ({tokens}) must be less than limits.maxTokens ({given.limits.max_tokens}), "
            "where thinking counts as well.",
            code="thinking_too_long",
        )


def _must_be_stored(agent_id: str) -> None:
    if fixed_agent(agent_id):
        raise Conflict(
            f"{agent_id!r} is built in and cannot be changed; create your own agent.", code="agent_builtin"
        )
