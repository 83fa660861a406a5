"""The tools of an agent: built-in ones, other agents, and those of its MCP servers; and those left out."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct, field

from millrace.agent.providers.conformance import conformance_artifact, conformance_message
from millrace.agent.providers.echo import echo_tool
from millrace.agent.tools.a2a import A2aTools
from millrace.agent.tools.builtin import OWN_TOOLS, is_tool, known_tools, made_of, tool_names
from millrace.agent.tools.left_out import LeftOut
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.domain.agents import Agent, ToolSource
from millrace.domain.ids import valid_id
from millrace.errors import InvalidRequest
from millrace.services.mcp_secrets import Owner
from millrace.services.runs.platform import Platform
from millrace.services.runs.tool_rules import SUB_AGENT, is_mcp_rule

_SCRIPTED = {one.__name__: one for one in (echo_tool, conformance_artifact, conformance_message)}
"""Tools of agents without a model."""
MOST_TOOLS = 128
"""The maximum that every provider accepts in one request."""

Ask = Callable[[str, dict[str, Any], ToolContext], Awaitable[ToolResult]]


class AgentTools(Struct):
    """The tools with their sources. `problems` has a sentence about each server that is not available."""

    sources: list[tuple[ToolSource, Tool]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """The notices for people about missing tools."""
        return [*self.problems, *(str(one) for one in self.left_out)]

    def tools(self) -> list[Tool]:
        """Return the tools without their sources."""
        return [one for _, one in self.sources]

    def add(self, offered: Iterable[Tool], source: ToolSource = "mcp") -> None:
        """Add tools of servers, unless their name is taken or there are too many."""
        names = {one.name for one in self.tools()}
        for one in offered:
            if one.name in names:
                self._leave_out(one.name, "another tool has the same name")
            elif len(self.sources) >= MOST_TOOLS:
                self._leave_out(one.name, _TOO_MANY)
            else:
                self.sources.append((source, one))
                names.add(one.name)

    def _leave_out(self, name: str, reason: str) -> None:
        server, _, tool_name = name.partition("__")
        for one in self.left_out:
            if (one.server, one.reason) == (server, reason):
                return one.names.append(tool_name)
        self.left_out.append(LeftOut(server, reason, [tool_name]))


_TOO_MANY = f"an agent must not have more than {MOST_TOOLS} tools; name those it needs in mcpServers[].tools"


@asynccontextmanager
async def open_tools(
    platform: Platform, organization: str, agent: Agent, ask: Ask
) -> AsyncIterator[AgentTools]:
    """Yield the agent's tools, with sessions to its MCP servers that end with the block.

    `ask` asks a sub-agent.
    """
    own = [use.name for use in agent.tool_uses if not is_mcp_rule(use)]
    found = AgentTools(own_tools(own, ask))
    owner = Owner(organization, agent.id)
    if agent.a2a_agents:
        await _add_remote_agents(platform, owner, agent, found)
    if not agent.mcp_servers:
        yield found
        return
    # Imported here, because the package is large and most agents have no server.
    from millrace.agent.tools.mcp import McpTools

    servers, problems = await platform.mcp_secrets.unseal(owner, agent.mcp_servers)
    found.problems += problems
    loopback = platform.settings.allow_loopback_http
    async with McpTools(servers, platform.tool_catalog, allow_loopback_http=loopback) as mcp:
        found.add(await mcp.tools())
        found.problems += mcp.problems
        found.left_out += mcp.left_out
        yield found


async def _add_remote_agents(platform: Platform, owner: Owner, agent: Agent, found: AgentTools) -> None:
    remotes, problems = await platform.mcp_secrets.unseal(owner, agent.a2a_agents)
    a2a = A2aTools(remotes, platform.cards, lambda: platform.http.guarded)
    found.add(await a2a.tools(), "a2a")
    found.problems += problems + a2a.problems


def own_tools(names: Iterable[str], ask: Ask) -> list[tuple[ToolSource, Tool]]:
    """Return the tools in an agent's definition."""
    wanted = list(dict.fromkeys(names))
    asked = sub_agent_tools([name.removeprefix(SUB_AGENT) for name in wanted if name.startswith(SUB_AGENT)])
    return [
        ("agent", _sub_agent(name.removeprefix(SUB_AGENT), asked[name.removeprefix(SUB_AGENT)], ask))
        if name.startswith(SUB_AGENT)
        else _deployed(name)
        for name in wanted
    ]


def _deployed(name: str) -> tuple[ToolSource, Tool]:
    if name in _SCRIPTED:
        return "builtin", made_of(_SCRIPTED[name])
    return "app" if name in OWN_TOOLS else "builtin", known_tools([name])[0]


def _sub_agent(agent_id: str, name: str, ask: Ask) -> Tool:
    return Tool(
        name=name,
        description=f"Asks the agent {agent_id!r} to do a task and gives its answer.",
        parameters={
            "type": "object",
            "properties": {"task": {"type": "string", "description": "What it is to do, in full."}},
            "required": ["task"],
        },
        run=partial(ask, agent_id),
        # If repeated, the sub-agent continues its own work, in which its tools follow their own rules.
        repeat="safe",
        timed=False,
    )


async def no_sub_agent(agent_id: str, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    """Raise `InvalidRequest`; for tools that are only listed."""
    raise InvalidRequest("Only the run of an agent can ask other agents.")


def sub_agent_tools(agent_ids: Iterable[str]) -> dict[str, str]:
    """Return the tool name of each sub-agent: `ask_<id>` in letters, digits, `_` and `-`, at most 64
    characters.

    If two would have the same name, a hash of the id is appended.
    """
    plain = {agent_id: _fitting(agent_id) for agent_id in agent_ids}
    count = Counter(plain.values())
    return {
        # 55 characters, `_` and the 8 of the hash make 64, the maximum that all providers accept.
        agent_id: name if count[name] == 1 else f"{name[:55]}_{_digest(agent_id)}"
        for agent_id, name in plain.items()
    }


def _fitting(agent_id: str) -> str:
    return "ask_" + "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in agent_id)[:60]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_tools(names: list[str]) -> None:
    """Raise `InvalidRequest` for names that no agent can have as a tool."""
    unknown = [name for name in names if not _is_known(name)]
    if unknown:
        raise InvalidRequest(
            f"Unknown tools: {', '.join(unknown)}. Known: {', '.join(tool_names())}, and "
            f"{SUB_AGENT}<agentId>.",
            code="unknown_tool",
        )


def _is_known(name: str) -> bool:
    if name.startswith(SUB_AGENT):
        return valid_id(name.removeprefix(SUB_AGENT))
    return is_tool(name) or name == "echo_tool"
