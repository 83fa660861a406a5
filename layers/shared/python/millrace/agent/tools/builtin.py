"""The tools that come with Millrace, by the names that agents list them under."""

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


def built_in_tools(names: Iterable[str]) -> list[Tool]:
    """The tools of these names, each once. Raises `InvalidRequest` that names those which do not exist."""
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in BUILT_IN]
    if unknown:
        raise InvalidRequest(
            f"There is no built-in tool {', '.join(unknown)}; the tools are {', '.join(BUILT_IN)}.",
            code="unknown_tool",
        )
    return [found if isinstance(found := BUILT_IN[name], Tool) else made_of(found) for name in wanted]


@cache
def made_of(function: Callable[..., Any]) -> Tool:
    """The tool of a function, made once: its schema takes longer than all else before a run's first token."""
    return tool(function)
