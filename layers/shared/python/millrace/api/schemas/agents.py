"""Answers about agents."""

from typing import Any

from pydantic import RootModel

from millrace.api.schemas.base import JsonObject
from millrace.domain.agents import Agent, AgentSummary, ToolSource
from millrace.domain.wire import WireModel

__all__ = ["Agent", "AgentChanges", "AgentPage", "AgentToolPage", "AgentView"]


class AgentView(RootModel[Agent | AgentSummary]):
    """An agent; its summary for callers without `agents:read` or `agents:write`."""


class AgentChanges(RootModel[JsonObject]):
    """The fields of an agent to change; `limits` field by field."""


class AgentPage(WireModel):
    """A page of agents."""

    items: list[Agent | AgentSummary]
    next_cursor: str | None


class AgentToolEntry(WireModel):
    """A tool as the model sees it. `server` is the MCP server or A2A agent that has it."""

    name: str
    description: str
    parameters: dict[str, Any]
    source: ToolSource
    server: str | None


class LeftOutTools(WireModel):
    """Tools of an MCP server that the agent does not get, with the reason."""

    server: str
    reason: str
    names: list[str]


class AgentToolPage(WireModel):
    """The tools of an agent; `problems` says which of its MCP servers are not available, and why."""

    items: list[AgentToolEntry]
    left_out: list[LeftOutTools]
    problems: list[str]


class BuiltInTool(WireModel):
    """A built-in tool as the model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]


class AgentParts(WireModel):
    """The built-in tools, the default model of agents, and the providers that may precede a model's name (not
    all of them are necessarily configured)."""

    tools: list[BuiltInTool]
    default_model: str
    providers: list[str]
