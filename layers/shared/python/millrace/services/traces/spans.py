"""Spans of runs, each from one event of the bus: a model call, a tool call, an approval, the run itself.

An event has everything for its span, so spans need no state: they are sent when they end, a process that dies
loses none, and a duplicate event gives the same span. Names follow the semantic conventions for generative
AI, release 1.41. Names that these do not define begin with `millrace.`.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.domain.clock import from_iso
from millrace.domain.events import Event
from millrace.domain.flows import AGENT_PREFIX
from millrace.domain.traces import context_of, span_id

PROVIDERS = {"bedrock": "aws.bedrock"}
"""Our providers that have a different name in the conventions."""
CUT_OFF = "stopped"
"""The `error` of a model call that was cut off, which is not a failure."""
UNKNOWN = "millrace.duration_unknown"
"""The attribute of a span with an unknown duration."""

Attributes = dict[str, str | int | float | bool | list[str]]


class Span(Struct, frozen=True):
    """An OpenTelemetry span.

    Times are in epoch milliseconds. `parent` is empty at the root of a trace, and `error` without one.
    `client` means that it called another system.
    """

    organization: str
    trace_id: bytes
    id: bytes
    parent: bytes
    name: str
    start: int
    end: int
    client: bool = False
    error: str = ""
    attributes: Attributes = field(default_factory=dict)

    def since(self, start: int) -> "Span":
        """Return the span with its start, for an event without a duration."""
        known = {name: value for name, value in self.attributes.items() if name != UNKNOWN}
        return replace(self, start=start, end=max(start, self.end), attributes=known)


def span_of(event: Event) -> Span | None:
    """Return the span that an event ends, or None."""
    make = _MAKERS.get(event["type"])
    return make(event) if make else None


def _model_call(event: Event) -> Span:
    tokens, error = event["tokens"], event["error"] or ""
    provider, _, model = event["model"].partition(":")
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model or provider,
        "gen_ai.usage.input_tokens": tokens["input"],
        "gen_ai.usage.output_tokens": tokens["output"],
        "gen_ai.usage.cache_read.input_tokens": tokens.get("cacheRead"),
        "gen_ai.usage.cache_creation.input_tokens": tokens.get("cacheWrite"),
        "gen_ai.usage.cost": event["cost"],
        "gen_ai.response.time_to_first_chunk": _seconds(event["firstTokenMs"]),
        "millrace.usage.estimated": event["estimated"] or None,
    }
    if error == CUT_OFF:
        attributes["gen_ai.response.finish_reasons"], error = [CUT_OFF], ""
    name = f"chat {model or provider}"
    part = ("model", event["id"])
    return part_span(event, part, name, event["latencyMs"], attributes, error, client=True)


def _tool_call(event: Event) -> Span:
    agent_id = event.get("subAgentId")
    operation, name = ("invoke_agent", agent_id) if agent_id else ("execute_tool", event["tool"])
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.agent.id": agent_id,
        "gen_ai.tool.name": event["tool"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": event["callId"],
        "millrace.tool.result_bytes": event["bytes"],
    }
    error = "" if event["ok"] else "tool_error"
    shown = f"{operation} {name}" if name else operation
    return part_span(event, ("call", event["callId"]), shown, event["durationMs"], attributes, error)


def _approval(event: Event) -> Span:
    asked = event.get("requestedAt")
    waited = from_iso(event["time"]) - from_iso(asked) if asked else None
    attributes = {
        "gen_ai.tool.name": event["name"],
        "gen_ai.tool.call.id": event["callId"],
        "millrace.approval.kind": event["kind"],
        "millrace.approval.decision": event["decision"],
    }
    name = f"wait_for_approval {event['name']}" if event["name"] else "wait_for_approval"
    return part_span(event, ("approval", event["callId"]), name, waited, attributes)


def _run(event: Event) -> Span:
    is_flow = event["agentId"].startswith(AGENT_PREFIX)
    operation, kind = ("invoke_workflow", "workflow") if is_flow else ("invoke_agent", "agent")
    name = event["agentName"] or event["agentId"]
    usage, view = event.get("tokenUsage") or {}, event.get("run") or {}
    attributes = {
        "gen_ai.operation.name": operation,
        f"gen_ai.{kind}.name": name,
        "gen_ai.agent.id": None if is_flow else event["agentId"],
        "gen_ai.request.model": view.get("model", "").partition(":")[2],
        # Not named as in the conventions, because whoever adds up spans would count each token twice.
        "millrace.usage.input_tokens": usage.get("input"),
        "millrace.usage.output_tokens": usage.get("output"),
        "millrace.usage.estimated": usage.get("estimated"),
        "millrace.cost": event.get("cost"),
        "millrace.run.status": event["status"],
        "millrace.run.finish_reason": event.get("finishReason"),
    }
    context = context_of(event["organization"], event["runId"], event.get("traceparent", ""))
    started, ended = event.get("startedAt"), event.get("completedAt") or event["time"]
    return Span(
        event["organization"],
        context.trace_id,
        span_id(event["organization"], event["runId"]),
        context.parent,
        f"{operation} {name}",
        from_iso(started or ended),
        from_iso(ended),
        error=(event.get("error") or {}).get("code", "") if event["type"] == "run:error" else "",
        attributes=_known(attributes | _common(event)),
    )


def part_span(
    event: Event,
    part: tuple[str, str],
    name: str,
    took: int | None,
    attributes: dict[str, Any],
    error: str = "",
    *,
    client: bool = False,
) -> Span:
    """Return the span of a part of a run.

    With an unknown duration, it has the same start and end, and an attribute.
    """
    organization, run_id = event["organization"], event["runId"]
    above = ("call", event["parent"]) if event.get("parent") else ()
    end = from_iso(event["time"])
    unknown = {UNKNOWN: True} if took is None else {}
    return Span(
        organization,
        context_of(organization, run_id, event.get("traceparent", "")).trace_id,
        span_id(organization, run_id, *part),
        span_id(organization, run_id, *above),
        name,
        end - (took or 0),
        end,
        client,
        error,
        _known(attributes | unknown | _common(event)),
    )


def _common(event: Event) -> dict[str, Any]:
    return {
        "gen_ai.conversation.id": event["conversationId"],
        "session.id": event["conversationId"],
        "millrace.organization": event["organization"],
        "millrace.run.id": event["runId"],
    }


def _known(attributes: dict[str, Any]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


_MAKERS: dict[str, Callable[[Event], Span]] = {
    "run:llm_call": _model_call,
    "run:tool_completed": _tool_call,
    "approval:answered": _approval,
    "run:completed": _run,
    "run:error": _run,
}
"""The events that end a span. The template's `TraceRule` selects the same."""
