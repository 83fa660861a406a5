"""The events that a deployment's own tools and agents may emit."""

from typing import Any

from millrace.domain import events
from millrace.domain.events import Event

OF_TOOLS = frozenset({"status", "thinking"})
OF_AGENTS = OF_TOOLS | {"token"}


def checked(event: Any, allowed: frozenset[str]) -> Event:
    """Return an event from the deployment's code. Raises `TypeError` if it is not among the `allowed` types;
    the run emits all others itself."""
    if isinstance(event, dict) and event.get("type") in allowed:
        return event
    makers = "status(), thought(), log()" + (" or token()" if "token" in allowed else "")
    raise TypeError(f"{event!r:.80} is not an event that an agent may emit; use {makers} from millrace.app.")


def status(message: str, icon: str | None = None) -> Event:
    """Return a progress event such as "Searching for flights ...", which every viewer sees."""
    return events.status(message, icon)


def thought(text: str) -> Event:
    """Return a piece of reasoning, for viewers who see an agent's steps."""
    return events.thinking(text)


def log(message: str) -> Event:
    """Return a line about the work, such as "3 pages read", for viewers who see an agent's steps."""
    return events.status(message, least="steps")


def token(text: str) -> Event:
    """Return a piece of the answer; yielding a plain text does the same."""
    return events.token(text)
