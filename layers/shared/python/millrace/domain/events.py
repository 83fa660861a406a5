"""The events of a run, in the log and (projected) for clients.

An event is a JSON object with a `type`. The log keeps every event completely, numbered from 1. The builders
below are the catalog; `domain.event_types` has the type of each. An event of a sub-agent has additional
fields `parent` (the tool call that started it) and `agentId`.
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

if TYPE_CHECKING:  # types are only for checkers and the OpenAPI document; streams do not import them
    from millrace.domain.event_types import (
        ApprovalAnsweredEvent,
        ApprovalRequestedEvent,
        AskedCall,
        DoneEvent,
        ErrorEvent,
        FlowStepCompleteEvent,
        FlowStepSkippedEvent,
        FlowStepStartEvent,
        InjectedEvent,
        LoggedStatusEvent,
        RewindEvent,
        StartEvent,
        ThinkingEvent,
        TokenEvent,
        TokenUsage,
        ToolCallEvent,
        ToolOutputEvent,
        ToolResultEvent,
        WaitingEvent,
    )

Event = dict[str, Any]
Detail = Literal["answer", "steps", "full"]
DETAILS: tuple[Detail, ...] = ("answer", "steps", "full")
TERMINAL = frozenset({"done", "error"})


class LogEntry(NamedTuple):
    """An event with its number in the log. `data` is its JSON, encoded once for the log and for clients. `at`
    is the time at which it was numbered, in milliseconds since 1970; 0 in logs of earlier releases."""

    seq: int
    type: str
    event: Event
    data: bytes
    at: int = 0


def start(run_id: str, conversation_id: str, message_id: str, agent_id: str) -> Event:
    """The run has started; `messageId` is the answer's id."""
    event: StartEvent = {
        "type": "start",
        "runId": run_id,
        "conversationId": conversation_id,
        "messageId": message_id,
        "agentId": agent_id,
    }
    return cast(Event, event)


def status(message: str, icon: str | None = None, least: Detail | None = None) -> Event:
    """Progress of the agent, for users. A status that names tools has the `least` detail at which it is
    shown."""
    event: LoggedStatusEvent = {"type": "status", "message": message}
    if icon:
        event["icon"] = icon
    if least:
        event["leastDetail"] = least
    return cast(Event, event)


def thinking(text: str) -> Event:
    """A piece of reasoning."""
    event: ThinkingEvent = {"type": "thinking", "text": text}
    return cast(Event, event)


def token(text: str) -> Event:
    """A piece of the answer."""
    event: TokenEvent = {"type": "token", "token": text}
    return cast(Event, event)


def tool_call(id: str, name: str, arguments: Any, *, client: bool = False) -> Event:
    """The agent calls a tool; with `client`, one that the client runs."""
    event: ToolCallEvent = {"type": "tool_call", "id": id, "name": name, "arguments": arguments}
    if client:
        event["client"] = True
    return cast(Event, event)


def tool_output(id: str, name: str, output: str) -> Event:
    """A piece of a tool's result while the tool is running (only shown with `detail=full`)."""
    event: ToolOutputEvent = {"type": "tool_output", "id": id, "name": name, "output": output}
    return cast(Event, event)


def tool_result(id: str, name: str, ok: bool, summary: str, result: str, duration_ms: int | None) -> Event:
    """A tool has finished: `result` is its complete text (only shown with `detail=full`), `bytes` its size.
    The duration is null if it is not known."""
    event: ToolResultEvent = {
        "type": "tool_result",
        "id": id,
        "name": name,
        "ok": ok,
        "summary": summary,
        "bytes": len(result.encode()),
        "durationMs": duration_ms,
        "result": result,
    }
    return cast(Event, event)


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
    `schema` are those of a question; at `expiresAt` the call is rejected."""
    event: ApprovalRequestedEvent = {
        "type": "approval_requested",
        "callId": call_id,
        "kind": kind,
        "name": name,
        "arguments": arguments,
        "expiresAt": expires_at,
    }
    if kind != "approval":
        if prompt:
            event["prompt"] = prompt
        if options:
            event["options"] = options
        if schema:
            event["schema"] = schema
    return cast(Event, event)


def approval_answered(
    call_id: str, kind: str, name: str, decision: str, by: str | None, reason: str | None
) -> Event:
    """A call that waited was answered; `answeredBy` is null if it expired."""
    event: ApprovalAnsweredEvent = {
        "type": "approval_answered",
        "callId": call_id,
        "kind": kind,
        "name": name,
        "decision": decision,
        "answeredBy": by,
        "reason": reason,
    }
    return cast(Event, event)


def waiting(calls: list[Event], expires_at: str) -> Event:
    """The run waits for answers, and its stream ends here for now: `calls` are `{callId, kind, name}`."""
    event: WaitingEvent = {
        "type": "waiting",
        "calls": cast("list[AskedCall]", calls),
        "expiresAt": expires_at,
    }
    return cast(Event, event)


def injected(message_id: str, content: str, iteration: int) -> Event:
    """A live message was passed to the model, in this iteration (counted from 1)."""
    event: InjectedEvent = {
        "type": "injected",
        "messageId": message_id,
        "content": content,
        "iteration": iteration,
    }
    return cast(Event, event)


def flow_step_start(name: str, kind: str, index: int, total: int) -> Event:
    """A step of a flow has started."""
    event: FlowStepStartEvent = {
        "type": "flow_step_start",
        "name": name,
        "kind": kind,
        "step": name,
        "index": index,
        "total": total,
    }
    return cast(Event, event)


def flow_step_complete(name: str, duration_ms: int, ok: bool, index: int, total: int) -> Event:
    """A step of a flow has ended."""
    event: FlowStepCompleteEvent = {
        "type": "flow_step_complete",
        "name": name,
        "durationMs": duration_ms,
        "ok": ok,
        "step": name,
        "index": index,
        "total": total,
    }
    return cast(Event, event)


def flow_step_skipped(name: str, index: int, total: int) -> Event:
    """A step of a flow is skipped, since its `when` is not true."""
    event: FlowStepSkippedEvent = {
        "type": "flow_step_skipped",
        "name": name,
        "step": name,
        "index": index,
        "total": total,
    }
    return cast(Event, event)


def done(
    message_id: str,
    usage: dict[str, int] | None,
    cost: float | None,
    finish_reason: str,
    duration_ms: int | None,
    first_token_ms: int | None = None,
) -> Event:
    """The run has ended successfully. `cost` is in US dollars, null if the price is not known; the time to
    the first token is present only if it is known."""
    event: DoneEvent = {
        "type": "done",
        "messageId": message_id,
        "usage": cast("TokenUsage | None", usage),
        "cost": cost,
        "finishReason": finish_reason,
        "durationMs": duration_ms,
    }
    if first_token_ms is not None:
        event["firstTokenMs"] = first_token_ms
    return cast(Event, event)


def rewind(after: str) -> Event:
    """Another process continues the run: everything after the event with the id `after`, up to this event, is
    void. What was lost is repeated, perhaps in other words."""
    event: RewindEvent = {"type": "rewind", "after": after}
    return cast(Event, event)


def deleted() -> Event:
    """The end of a run whose conversation was deleted."""
    return error("The conversation was deleted.", "deleted", False)


def expired() -> Event:
    """Stands for the rest of a run whose log has expired."""
    return error("The events of this run are no longer kept; read the messages.", "run_expired", False)


def error(message: str, code: str, retryable: bool) -> Event:
    """The run has failed; `retryable` says whether sending the message again may succeed."""
    event: ErrorEvent = {"type": "error", "message": message, "code": code, "retryable": retryable}
    return cast(Event, event)


def error_facts(event: Event) -> Event:
    """Return the fields of an `error` that its run keeps."""
    return {name: event[name] for name in ("message", "code", "retryable", "step") if name in event}
