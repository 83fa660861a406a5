"""Answers about agents."""

from pydantic import RootModel

from millrace.api.agents import AgentPage, AgentToolPage
from millrace.api.schemas.base import JsonObject
from millrace.domain.agents import Agent, AgentSummary

__all__ = ["Agent", "AgentChanges", "AgentPage", "AgentToolPage", "AgentView"]


class AgentView(RootModel[Agent | AgentSummary]):
    """An agent; its summary for callers without `agents:read` or `agents:write`."""


class AgentChanges(RootModel[JsonObject]):
    """The fields of an agent that are to change; `limits` field by field."""
