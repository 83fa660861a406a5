"""The tools of an agent: built-in ones, other agents, and those of its MCP servers; and what is left out."""

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
"""The tools of agents without a model."""
MOST_TOOLS = 128
"""The tools that every provider takes in one request."""

Ask = Callable[[str, dict[str, Any], ToolContext], Awaitable[ToolResult]]


class AgentTools(Struct):
    """The tools with where each comes from; `problems` says in words which servers are not available."""

    sources: list[tuple[ToolSource, Tool]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """The notice for people about tools that are missing."""
        return [*self.problems, *(str(one) for one in self.left_out)]

    def tools(self) -> list[Tool]:
        """The tools themselves."""
        return [one for _, one in self.sources]

    def add(self, offered: Iterable[Tool], source: ToolSource = "mcp") -> None:
        """Take tools of servers as far as each has a name of its own and there is place."""
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
    """The agent's tools, with sessions to its MCP servers that end with the block; `ask` asks a sub-agent."""
    own = [use.name for use in agent.tool_uses if not is_mcp_rule(use)]
    found = AgentTools(own_tools(own, ask))
    owner = Owner(organization, agent.id)
    if agent.a2a_agents:
        await _add_remote_agents(platform, owner, agent, found)
    if not agent.mcp_servers:
        yield found
        return
    # Imported here: the package is large, and most agents have no server.
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
    """The tools that an agent's definition names."""
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
        # Run again, it goes on inside its work; its own tools follow their own rules there.
        repeat="safe",
        timed=False,
    )


async def no_sub_agent(agent_id: str, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    """For tools that are only listed."""
    raise InvalidRequest("Only the run of an agent can ask other agents.")


def sub_agent_tools(agent_ids: Iterable[str]) -> dict[str, str]:
    """Return the tool name of each sub-agent: `ask_<id>` in letters, digits, `_` and `-`, at most 64
    characters, with a hash of the id where two would have the same name."""
    plain = {agent_id: _fitting(agent_id) for agent_id in agent_ids}
    count = Counter(plain.values())
    return {
        # 55 characters, `_` and the 8 of the hash make 64, the longest name that all providers take.
        agent_id: name if count[name] == 1 else f"{name[:55]}_{_digest(agent_id)}"
        for agent_id, name in plain.items()
    }


def _fitting(agent_id: str) -> str:
    return "ask_" + "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in agent_id)[:60]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_tools(names: list[str]) -> None:
    """Raises `InvalidRequest` for names that no agent can have as a tool."""
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
