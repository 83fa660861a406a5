"""Tools that a client sends with its message and runs itself.

The run waits for their results as it waits for people.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.domain.agents import Agent
from millrace.domain.approvals import SCHEMA_BYTES
from millrace.domain.run_definitions import ClientTool
from millrace.errors import InvalidRequest
from millrace.services.runs.agent_tools import MOST_TOOLS, no_sub_agent, own_tools

TOOLS_BYTES = 128 * 1024
"""The maximum size of a client's tools as JSON, because the run's definition stores them."""


async def _only_called(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    raise InvalidRequest("Only the client can run this tool.")


def to_tools(given: Sequence[ClientTool], taken: Sequence[Tool]) -> list[Tool]:
    """Return the client's tools for the model, without those whose names are taken."""
    names = {tool.name for tool in taken}
    return [
        Tool(one.name, one.description, one.parameters, _only_called, repeat="safe", client=True)
        for one in given
        if one.name not in names
    ]


def check_client_tools(agent: Agent, given: Sequence[ClientTool]) -> None:
    """Raise `InvalidRequest` for tools that this agent cannot have in addition to its own."""
    if not given:
        return
    names = [one.name for one in given]
    own = {tool.name for _, tool in own_tools([use.name for use in agent.tool_uses], no_sub_agent)}
    for name in names:
        if names.count(name) > 1 or name in own:
            raise _invalid(f"Two tools are called {name}; the agent's own are {', '.join(own) or 'none'}.")
    if len(own) + len(names) > MOST_TOOLS:
        raise _invalid(f"An agent must not have more than {MOST_TOOLS} tools, its own and yours.")
    sizes = [len(orjson.dumps(one.parameters)) for one in given]
    if any(size > SCHEMA_BYTES for size in sizes) or sum(sizes) > TOOLS_BYTES:
        raise _invalid(
            f"The parameters of a tool must not exceed {SCHEMA_BYTES:,} bytes as JSON, those of all tools "
            f"{TOOLS_BYTES:,}."
        )


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_tool")
