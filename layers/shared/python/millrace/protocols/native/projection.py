"""What a viewer may see of a logged event, by detail: `answer`, `steps` or `full`."""

from millrace.domain.events import DETAILS, Detail, Event

_ALWAYS = frozenset({"start", "status", "done", "error", "heartbeat"})


def capped(detail: Detail, visibility: Detail) -> Detail:
    """The lesser of what the viewer asks for and what the agent allows."""
    return min(detail, visibility, key=DETAILS.index)


def project(event: Event, detail: Detail) -> Event | None:
    """The event as this viewer sees it, None where it is hidden.

    `answer`: start, status, token, done, error. `steps`: also thinking, live messages, flow steps, and tool
    calls and results by name and summary (`arguments` is then `{}`: clients rely on its being an object).
    `full`: also arguments and raw results. A sub-agent's tokens are its reasoning for the run's reader, so
    they come as `thinking` with its `parent`, and its own end is not shown."""
    kind = event["type"]
    if "parent" in event:
        return _nested(event, kind, detail)
    if kind == "token" or kind in _ALWAYS:
        return event
    if detail == "answer":
        return None
    return event if detail == "full" else _summary(event, kind)


def _nested(event: Event, kind: str, detail: Detail) -> Event | None:
    if detail == "answer" or kind in ("start", "done", "error"):
        return None
    if kind == "token":
        rest = {name: value for name, value in event.items() if name not in ("type", "token")}
        return {"type": "thinking", "text": event["token"]} | rest
    return event if detail == "full" else _summary(event, kind)


def _summary(event: Event, kind: str) -> Event:
    if kind == "tool_call":
        return event | {"arguments": {}}
    if kind == "tool_result":
        return {name: value for name, value in event.items() if name != "result"}
    return event
