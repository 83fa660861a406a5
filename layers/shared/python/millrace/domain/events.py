"""The events of a run, as they stand in the log and (projected) on the wire.

An event is a JSON object with a `type`; the log keeps every event in full, numbered from 1 upwards.
The builders below are the catalogue. An event of a sub-agent carries `parent` (the tool call that started
it) and `agentId` beside its own fields.
"""

from typing import Any, Literal, NamedTuple

Event = dict[str, Any]
Detail = Literal["answer", "steps", "full"]
DETAILS: tuple[Detail, ...] = ("answer", "steps", "full")
TERMINAL = frozenset({"done", "error"})


class LogEntry(NamedTuple):
    """An event with its place in the log; `data` is its JSON, encoded once for the log and the wire."""

    seq: int
    type: str
    event: Event
    data: bytes


def start(run_id: str, conversation_id: str, message_id: str, agent_id: str) -> Event:
    """The run has begun; `messageId` is the answer's id."""
    return {
        "type": "start",
        "runId": run_id,
        "conversationId": conversation_id,
        "messageId": message_id,
        "agentId": agent_id,
    }


def status(message: str, icon: str | None = None, least: Detail | None = None) -> Event:
    """Progress of the agent, for people. A status that names tools carries the `least` detail at which
    it is shown."""
    shown = {"icon": icon, "leastDetail": least}
    given = {name: value for name, value in shown.items() if value}
    return {"type": "status", "message": message} | given


def thinking(text: str) -> Event:
    """A piece of reasoning."""
    return {"type": "thinking", "text": text}


def token(text: str) -> Event:
    """A piece of the answer."""
    return {"type": "token", "token": text}


def tool_call(id: str, name: str, arguments: Any) -> Event:
    """The agent calls a tool."""
    return {"type": "tool_call", "id": id, "name": name, "arguments": arguments}


def tool_result(id: str, name: str, ok: bool, summary: str, result: str, duration_ms: int | None) -> Event:
    """A tool has answered: `result` is its whole text (seen at `detail=full` only), `bytes` its size. The
    duration is null where it is not known."""
    return {
        "type": "tool_result",
        "id": id,
        "name": name,
        "ok": ok,
        "summary": summary,
        "bytes": len(result.encode()),
        "durationMs": duration_ms,
        "result": result,
    }


def approval_requested(
    call_id: str,
    kind: str,
    name: str,
    arguments: dict[str, Any],
    expires_at: str,
    prompt: str | None = None,
    options: list[str] | None = None,
    schema: dict[str, Any] | None = None,
) -> Event:
    """A call waits for a person: a tool that needs an approval, or a question. `prompt`, `options` and
    `schema` are those of a question; `expiresAt` is the time at which the call counts as rejected."""
    asked = {"prompt": prompt, "options": options, "schema": schema} if kind != "approval" else {}
    return {
        "type": "approval_requested",
        "callId": call_id,
        "kind": kind,
        "name": name,
        "arguments": arguments,
        "expiresAt": expires_at,
    } | {name: value for name, value in asked.items() if value}


def approval_answered(
    call_id: str, kind: str, name: str, decision: str, by: str | None, reason: str | None
) -> Event:
    """A call that waited has been answered; `answeredBy` is null where its time was over."""
    return {
        "type": "approval_answered",
        "callId": call_id,
        "kind": kind,
        "name": name,
        "decision": decision,
        "answeredBy": by,
        "reason": reason,
    }


def waiting(calls: list[Event], expires_at: str) -> Event:
    """The run waits for answers, and its stream ends here for now: `calls` are `{callId, kind, name}`."""
    return {"type": "waiting", "calls": calls, "expiresAt": expires_at}


def injected(message_id: str, content: str, iteration: int) -> Event:
    """A live message has been put before the model, in this iteration (counted from 1)."""
    return {"type": "injected", "messageId": message_id, "content": content, "iteration": iteration}


def done(
    message_id: str,
    usage: dict[str, int] | None,
    cost: float | None,
    finish_reason: str,
    duration_ms: int | None,
) -> Event:
    """The run has ended well. `cost` in US dollars, null where the model's price is not known."""
    return {
        "type": "done",
        "messageId": message_id,
        "usage": usage,
        "cost": cost,
        "finishReason": finish_reason,
        "durationMs": duration_ms,
    }


def rewind(after: str) -> Event:
    """Another process goes on with the run: all that was told of it after the event with the id `after`, up
    to this event, is void. What was lost comes again, perhaps in other words."""
    return {"type": "rewind", "after": after}


def deleted() -> Event:
    """The end of a run whose conversation was deleted."""
    return error("The conversation was deleted.", "deleted", False)


def expired() -> Event:
    """Stands for the rest of a run whose log is no longer kept."""
    return error("The events of this run are no longer kept; read the messages.", "run_expired", False)


def error(message: str, code: str, retryable: bool) -> Event:
    """The run has ended badly; `retryable` says whether sending the message again may work."""
    return {"type": "error", "message": message, "code": code, "retryable": retryable}


def error_facts(event: Event) -> Event:
    """The fields of an `error` that its run keeps."""
    return {name: event[name] for name in ("message", "code", "retryable", "step") if name in event}
