"""Tool calls as tool parts: their ids, approvals and outputs."""

from typing import Any

from msgspec import Struct

from millrace.domain.approvals import ASK_USER
from millrace.domain.events import Event
from millrace.protocols.ai_sdk.parts import Chunk, about


class _ToolPart(Struct):
    """A call as the client knows it."""

    id: str
    seq: int
    denied: bool = False


class ToolParts:
    """The tool parts of one run.

    A tool that we run is `providerExecuted`, so that no client tries to run it. A question, or a tool of the
    client, is not: its output comes from the client.
    """

    def __init__(self, run_id: str, version: int) -> None:
        self._run_id = run_id
        self._version = version
        self._parts: dict[str, _ToolPart] = {}

    def call(self, seq: int, event: Event) -> list[Chunk]:
        """Return the part of a `tool_call`. A question is sent with `approval_requested`, which has its text
        in every detail."""
        if event["name"] == ASK_USER and "parent" not in event:
            return []
        part = self._new(seq, event["id"])
        return [self._input(part, seq, event, event["name"], event["arguments"], ours="client" not in event)]

    def result(self, seq: int, event: Event) -> list[Chunk]:
        """Return the output of a call: its result or, for viewers who do not see that, its summary."""
        before = self._known(seq, event["id"], event["name"], event, {})
        part = self._parts[event["id"]]
        text = event.get("result", event["summary"])
        if part.denied:
            return [*before, {"type": "tool-output-denied", "toolCallId": part.id}]
        if not event["ok"]:
            return [*before, {"type": "tool-output-error", "toolCallId": part.id, "errorText": text}]
        return [*before, {"type": "tool-output-available", "toolCallId": part.id, "output": text}]

    def requested(self, seq: int, event: Event) -> list[Chunk]:
        """Return the part of a waiting call: an approval, or the input of what the client answers itself."""
        call_id, name, kind = event["callId"], event["name"] or "tool", event["kind"]
        if kind == "question":
            asked = {"question": event.get("prompt"), "options": event.get("options")}
            asked |= {"schema": event["schema"]} if "schema" in event else {}
            return self._known(seq, call_id, name, event, asked, ours=False)
        before = self._known(seq, call_id, name, event, event["arguments"], ours=kind != "client")
        if kind == "client":
            return before
        request: Chunk = {"type": "tool-approval-request", "approvalId": approval_id(self._run_id, call_id)}
        request |= {"toolCallId": self._parts[call_id].id}
        return [*before, request | {"approvalDescriptor": {"expiresAt": event["expiresAt"]}}]

    def answered(self, event: Event) -> list[Chunk]:
        """Return the answer to an approval, for which `ai` 6 has no chunk."""
        part = self._parts.get(event["callId"])
        if part is None or event["kind"] != "approval":
            return []
        part.denied = event["decision"] == "reject"
        if self._version < 7:
            return []
        response: Chunk = {"type": "tool-approval-response", "approved": not part.denied}
        response |= {"approvalId": approval_id(self._run_id, event["callId"])}
        return [response | ({"reason": event["reason"]} if event["reason"] else {})]

    def take_back(self, after: int) -> None:
        """Forget the calls that began after an event."""
        self._parts = {call: part for call, part in self._parts.items() if part.seq <= after}

    def _new(self, seq: int, call_id: str) -> _ToolPart:
        """Return the part of a new call. Ids of calls may repeat (ReAct uses only one); those of parts do
        not."""
        part_id = f"{call_id}-{seq}" if call_id in self._parts else call_id
        self._parts[call_id] = part = _ToolPart(part_id, seq)
        return part

    def _known(
        self, seq: int, call_id: str, name: str, event: Event, arguments: Any, *, ours: bool = True
    ) -> list[Chunk]:
        """Return the call itself, if the client has not seen it."""
        if call_id in self._parts:
            return []
        return [self._input(self._new(seq, call_id), seq, event, name, arguments, ours=ours)]

    def _input(
        self, part: _ToolPart, seq: int, event: Event, name: str, arguments: Any, *, ours: bool
    ) -> Chunk:
        chunk: Chunk = {"type": "tool-input-available", "toolCallId": part.id, "toolName": name}
        chunk |= {"input": arguments, "providerMetadata": about(seq, event)}
        return chunk | {"providerExecuted": True} if ours else chunk


def approval_id(run_id: str, call_id: str) -> str:
    """Return the id with which a client answers a call."""
    return f"{run_id}.{call_id}"


def call_of(approval: str) -> str:
    """Return the call that an approval's id names. A run's id contains no dot."""
    return approval.partition(".")[2]
