"""The end of a run in AG-UI: outcomes, interrupts, usage."""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.domain.events import Event

STOPS = frozenset({"stopped", "interrupted", "deleted"})
"""The finish reasons of runs that were stopped by somebody."""
_APPROVAL = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "editedArguments": {"type": "object", "description": "run in the place of the agent's arguments"},
        "reason": {"type": "string"},
    },
    "required": ["approved"],
}


def cancelled(done: Event) -> bool:
    """Return whether a run was stopped."""
    return done["finishReason"] in STOPS


def usage_of(done: Event) -> dict[str, Any]:
    """Return `{usage}` of a run; empty if it is not known."""
    used = done["usage"]
    if not used:
        return {}
    counts = {"inputTokens": used["input"], "outputTokens": used["output"], "totalTokens": used["total"]}
    more = {"cachedInputTokens": used.get("cacheRead"), "cacheWriteInputTokens": used.get("cacheWrite")}
    return {"usage": [counts | {name: value for name, value in more.items() if value is not None}]}


def interrupts(calls: Sequence[Event], ids: Mapping[str, str], expires_at: str) -> dict[str, Any]:
    """Return the outcome of a run that waits: interrupts for people. If it waits only for tools of the
    client, it is a success that names them, as AG-UI specifies."""
    asked = [call for call in calls if call["kind"] != "client"]
    if asked:
        found = [_interrupt(call, ids[call["callId"]], expires_at) for call in asked]
        return {"type": "interrupt", "interrupts": found}
    return {"type": "success", "pendingToolCallIds": [ids[call["callId"]] for call in calls]}


def _interrupt(call: Event, tool_call_id: str, expires_at: str) -> dict[str, Any]:
    approval = call["kind"] == "approval"
    name = call.get("name") or "a tool"
    found = {
        "id": call["callId"],
        "reason": "approval_required" if approval else "input_required",
        "message": f"May {name} be run?" if approval else call.get("prompt", ""),
        "toolCallId": tool_call_id,
        "responseSchema": _APPROVAL if approval else _answer(call),
        "expiresAt": call.get("expiresAt", expires_at),
    }
    facts = {key: call[key] for key in ("kind", "name", "arguments", "options") if key in call}
    return found | {"metadata": {"millrace": facts}}


def _answer(call: Event) -> dict[str, Any]:
    schema: dict[str, Any] = call.get("schema") or {"type": "string"}
    return schema | {"enum": call["options"]} if call.get("options") else schema
