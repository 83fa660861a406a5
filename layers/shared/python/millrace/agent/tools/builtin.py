"""The tools of a deployment by name: those that come with Millrace, and the deployment's own."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from millrace.agent.tools.ask_user import ask_user
from millrace.agent.tools.calculator import calculator
from millrace.agent.tools.current_time import current_time
from millrace.agent.tools.function import tool
from millrace.agent.tools.http_fetch import http_fetch
from millrace.agent.tools.memory import forget, recall, remember
from millrace.agent.tools.search_conversations import search_conversations
from millrace.agent.tools.tool import Tool
from millrace.domain.agents import ToolUse
from millrace.domain.approvals import ASK_USER
from millrace.errors import InvalidRequest

BUILT_IN: dict[str, Callable[..., Any] | Tool] = {
    "ask_user": ask_user,
    "calculator": calculator,
    "current_time": current_time,
    "forget": forget,
    "http_fetch": http_fetch,
    "recall": recall,
    "remember": remember,
    "search_conversations": search_conversations,
}

OWN_TOOLS: dict[str, Tool] = {}
"""The deployment's own tools (see `millrace.agent.own`)."""


def known_tools(names: Iterable[str]) -> list[Tool]:
    """Return the tools of these names, each once. Raises `InvalidRequest` that names those that do not
    exist."""
    wanted = list(dict.fromkeys(names))
    if unknown := [name for name in wanted if not is_tool(name)]:
        raise InvalidRequest(
            f"Unknown tools: {', '.join(unknown)}. The tools are {', '.join(tool_names())}.",
            code="unknown_tool",
        )
    return [OWN_TOOLS[name] if name in OWN_TOOLS else _built_in(name) for name in wanted]


def is_tool(name: str) -> bool:
    """Return whether there is a tool of this name."""
    return name in BUILT_IN or name in OWN_TOOLS


def tool_names() -> list[str]:
    """Return the names of all tools."""
    return [*BUILT_IN, *OWN_TOOLS]


def own_rule(name: str) -> ToolUse | None:
    """Return the approval rule of one of the deployment's own tools; None if it needs no approval."""
    own = OWN_TOOLS.get(name)
    return own.rule if own else None


def _built_in(name: str) -> Tool:
    if name == ASK_USER:
        return ask_user()
    found = BUILT_IN[name]
    return found if isinstance(found, Tool) else made_of(found)


@cache
def made_of(function: Callable[..., Any]) -> Tool:
    """Return the tool of a function. Cached, as its schema takes longer than everything else before a run's
    first token."""
    return tool(function)
