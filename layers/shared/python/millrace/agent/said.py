"""The events that a deployment's own tools and agents may make."""

from typing import Any

from millrace.domain import events
from millrace.domain.events import Event

OF_TOOLS = frozenset({"status", "thinking"})
OF_AGENTS = OF_TOOLS | {"token"}


def checked(event: Any, allowed: frozenset[str]) -> Event:
    """Return an event that own code has made. Raises `TypeError` for one that is not among the `allowed`: the
    run makes all others itself."""
    if isinstance(event, dict) and event.get("type") in allowed:
        return event
    makers = "status(), thought(), log()" + (" or token()" if "token" in allowed else "")
    raise TypeError(f"{event!r:.80} is not an event that an agent may emit; use {makers} from millrace.app.")


def status(message: str, icon: str | None = None) -> Event:
    """Progress for people, such as "Searching for flights ..."; every viewer sees it."""
    return events.status(message, icon)


def thought(text: str) -> Event:
    """A piece of reasoning, for viewers who see an agent's steps."""
    return events.thinking(text)


def log(message: str) -> Event:
    """A line about the work, such as "3 pages read", for viewers who see an agent's steps."""
    return events.status(message, least="steps")


def token(text: str) -> Event:
    """A piece of the answer; a plain text means the same."""
    return events.token(text)
