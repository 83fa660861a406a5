"""The only view of a run: what a viewer may see of its events and messages, by detail.

The levels are `answer`, `steps` and `full`. Every outlet (streams, history, JSON answers, flows, the command
center, pipelines) shows a run through this module, so that none reveals what another one hides.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from millrace.domain.content import attached
from millrace.domain.conversations import StoredMessage
from millrace.domain.event_ids import parse_event_id
from millrace.domain.events import DETAILS, Detail, Event, LogEntry

_ALWAYS = frozenset({"start", "status", "rewind", "done", "error", "heartbeat"})
_ASKS = frozenset({"approval_requested", "approval_answered", "waiting"})
"""Events about calls that wait for a person. All viewers see that something waits, and the questions to the
user; the tool's name only if tools are shown."""
_PASSING = frozenset({"injected", "waiting", "tool_output"})
"""Events that no message keeps, because the history or a tool's result has them completely."""
_LEAST = "leastDetail"
"""The tag of a status that reveals more than `answer` shows."""
CAP = "visibility"
"""The tag of events of an agent that shows less than the run that started it."""


def capped(detail: Detail, visibility: Detail) -> Detail:
    """Return the lower of the requested detail and the agent's visibility."""
    return min(detail, visibility, key=DETAILS.index)


def project(event: Event, detail: Detail) -> Event | None:
    """Return the event as this viewer sees it; None if it is hidden.

    `answer`: start, status, token, done, error, and that something waits for an answer. `steps`: also
    thinking, live messages, flow steps, and tool calls and results by name and summary (`arguments` is then
    `{}`, since clients rely on an object). `full`: also arguments, raw results, and the output of running
    tools.

    A sub-agent's tokens are reasoning to the reader of the run, so they are shown as `thinking` with its
    `parent`, and its own end is not shown. If that agent shows less than the run, its own visibility applies
    to its events.
    """
    kind = event["type"]
    if _is_for_client(event) and "parent" not in event:
        return event
    if CAP in event and kind not in ("done", "error"):
        detail = capped(detail, event[CAP])
        event = _without(event, CAP)
    if _LEAST in event:
        if capped(detail, event[_LEAST]) != event[_LEAST]:
            return None
        event = _without(event, _LEAST)
    if kind == "tool_output" and detail != "full":
        return None
    if "parent" in event:
        return _nested(event, kind, detail)
    if kind == "token" or kind in _ALWAYS:
        return event if detail == "full" or "steps" not in event else _without(event, "steps")
    if kind in _ASKS:
        return event if detail == "full" else _asked(event, detail)
    if detail == "answer":
        return None
    return event if detail == "full" else _summary(event, kind)


def _is_for_client(event: Event) -> bool:
    """Return whether an event is a call of a tool of the client, which must see it in order to run it."""
    return event.get("client", False) or event.get("kind") == "client"


def _asked(event: Event, detail: Detail) -> Event:
    """Return an event about waiting calls without arguments and, for viewers who see only the answer, without
    the names of tools."""
    shown = event | {"arguments": {}} if "arguments" in event else event
    if detail == "steps":
        return shown
    if "calls" in shown:
        return shown | {"calls": [_unnamed(one) for one in shown["calls"]]}
    return _unnamed(shown)


def _unnamed(call: Event) -> Event:
    return call | {"name": None} if call.get("kind", "approval") == "approval" else call


def _nested(event: Event, kind: str, detail: Detail) -> Event | None:
    if kind in _ASKS and kind != "waiting":
        return event if detail == "full" else _asked(event, detail)
    if detail == "answer" or kind in ("start", "done", "error", "waiting"):
        return None
    if kind == "token":
        return {"type": "thinking", "text": event["token"]} | _without(event, "type", "token")
    return event if detail == "full" else _summary(event, kind)


def _summary(event: Event, kind: str) -> Event:
    if kind == "tool_call":
        return event | {"arguments": {}}
    return _without(event, "result") if kind == "tool_result" else event


def _without(event: Event, *names: str) -> Event:
    return {name: value for name, value in event.items() if name not in names}


def project_message(message: StoredMessage, detail: Detail) -> dict[str, Any] | None:
    """Return the message as this viewer sees it in the history; None if all of it is hidden.

    `answer`: texts, images and files, and how the run ended. `steps`: also thinking, and tools by name and
    status of the result; `steps` lists what the stream showed before the answer, in order. `full`: also
    arguments and raw results.
    """
    content = [shown for block in message.content if (shown := _block(block, detail))]
    steps = [shown for step in _whole_steps(message) if (shown := project(step, detail))]
    if message.content and not (content or steps or message.extra):
        return None
    return message.to_wire() | {"content": content} | ({"steps": steps} if steps else {})


def _block(block: dict[str, Any], detail: Detail) -> dict[str, Any] | None:
    if detail == "full" or "text" in block or attached(block):
        return _without(block, "providerData")
    if detail == "answer":
        return None
    if use := block.get("toolUse"):
        return {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"], "input": {}}}
    if result := block.get("toolResult"):
        return {"toolResult": result | {"content": []}}
    thought = block.get("reasoningContent", {}).get("reasoningText")
    return {"reasoningContent": {"reasoningText": {"text": thought["text"]}}} if thought else None


def _whole_steps(message: StoredMessage) -> list[Event]:
    """Return the kept steps with the arguments and results from the message's blocks."""
    arguments = {use["toolUseId"]: use["input"] for block in message.content if (use := block.get("toolUse"))}
    results = {
        result["toolUseId"]: "".join(part.get("text", "") for part in result["content"])
        for block in message.content
        if (result := block.get("toolResult"))
    }
    return [_whole_step(step, arguments, results) for step in message.steps]


def _whole_step(step: Event, arguments: dict[str, Any], results: dict[str, str]) -> Event:
    call = "" if "parent" in step else step.get("id", "")
    if step["type"] == "tool_call":
        return step | {"arguments": arguments.get(call, {})}
    if step["type"] == "approval_requested":
        return step | {"arguments": arguments.get(step["callId"], {})}
    if step["type"] == "tool_result" and call in results:
        return step | {"result": results[call]}
    return step


def kept_step(event: Event) -> Event | None:
    """Return the part of an event that its run's messages keep for the history; None if it is not a step
    towards the answer. Arguments and results are in the messages' own blocks."""
    kind = event["type"]
    if kind == "token":
        return project(event, "steps") if "parent" in event else None
    if kind in _ALWAYS or kind in _PASSING:
        return None
    return _without(event, "arguments", "result")


def settled(logged: Iterable[LogEntry]) -> list[LogEntry]:
    """Return the events without those that a `rewind` among them takes back, and without the rewinds
    themselves."""
    return [one for one in without_taken_back(logged) if one.type != "rewind"]


def last_announced(logged: Sequence[LogEntry]) -> list[LogEntry]:
    """Return the events of the step in which a process stopped, even if it took them back itself before it
    ended: those that were stored are reported again, and their cost counts."""
    left = bool(logged) and logged[-1].type == "rewind"
    return settled(logged[:-1] if left else logged)


def without_taken_back(logged: Iterable[LogEntry]) -> list[LogEntry]:
    """Return the events without those that a `rewind` among them takes back."""
    kept: list[LogEntry] = []
    for one in logged:
        if one.type == "rewind":
            after = rewound_to(one)
            while kept and kept[-1].seq > after:
                kept.pop()
        kept.append(one)
    return kept


def rewound_to(rewind: LogEntry) -> int:
    """Return the number of the event after which a `rewind` takes everything back."""
    return parse_event_id(rewind.event["after"]).seq
