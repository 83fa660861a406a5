"""The parts of a run, in order: text, reasoning, tools, live messages, questions, steps of a flow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from millrace.client.naming import to_camel

Event = Mapping[str, Any]


class _Text:
    """Text that grows piece by piece."""

    __slots__ = ("_pieces",)
    type: ClassVar[str]

    def __init__(self, text: str) -> None:
        self._pieces = [text]

    @property
    def text(self) -> str:
        """The whole text so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def is_new(self) -> bool:
        """True until the second piece has arrived."""
        return len(self._pieces) == 1

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


class TextPart(_Text):
    """A piece of the answer."""

    __slots__ = ()
    type = "text"


class ThinkingPart(_Text):
    """Reasoning of the model."""

    __slots__ = ()
    type = "thinking"


@dataclass(slots=True)
class MessagePart:
    """A live message, at the point where the agent read it."""

    type: ClassVar[str] = "message"
    message_id: str
    content: str


@dataclass(slots=True)
class ApprovalPart:
    """A call that waits for a person, or waited. `name` is None if the agent does not show its tools."""

    type: ClassVar[str] = "approval"
    call_id: str
    kind: str
    name: str | None
    arguments: Any
    prompt: str | None
    options: list[str]
    schema: Any
    expires_at: str
    state: Literal["waiting", "answered"] = "waiting"
    decision: str | None = None
    answered_by: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class ToolPart:
    """A tool call. `parts` is the work of a sub-agent behind it. `unknown` means that the run ended without a
    result. `result` is set only with `detail="full"`."""

    type: ClassVar[str] = "tool"
    id: str
    name: str
    arguments: Any = None
    client: bool = False
    state: Literal["running", "ok", "failed", "unknown"] = "running"
    summary: str | None = None
    result: str | None = None
    duration_ms: int | None = None
    parts: "list[Part]" = field(default_factory=list)


@dataclass(slots=True)
class StepPart:
    """A step of a flow. `parts` is the work of its agent or tool."""

    type: ClassVar[str] = "step"
    step: str
    name: str
    kind: str | None
    index: int | None
    total: int | None
    state: Literal["running", "ok", "failed", "skipped", "unknown"]
    duration_ms: int | None = None
    parts: "list[Part]" = field(default_factory=list)


Part = TextPart | ThinkingPart | MessagePart | ApprovalPart | ToolPart | StepPart


def extend(parts: list[Part], event: Event) -> bool:
    """Add an event to the parts of the run, or of the sub-agent or step that it names. Return False if
    nothing changes."""
    kind = event["type"]
    owner = None
    if "parent" in event:
        owner = _owner(parts, ToolPart, event["parent"])
    if owner is None and "step" in event and not kind.startswith("flow_"):
        owner = _owner(parts, StepPart, event["step"])
    change = _CHANGES.get(kind)
    return change(parts if owner is None else owner.parts, event) if change else False


def settle(parts: list[Part]) -> None:
    """End everything that is running, since the run has ended."""
    for part in parts:
        if isinstance(part, ToolPart | StepPart):
            if part.state == "running":
                part.state = "unknown"
            settle(part.parts)


def to_wire(part: Part) -> dict[str, Any]:
    """Return the part as JSON, as in the TypeScript client."""
    if isinstance(part, _Text):
        return {"type": part.type, "text": part.text}
    found = {to_camel(one.name): getattr(part, one.name) for one in fields(part)}
    if "parts" in found:
        found["parts"] = [to_wire(inner) for inner in found["parts"]]
    return {"type": part.type, **found}


def _owner(parts: list[Part], kind: type[Any], id: Any) -> Any:
    """Return the last tool or step with this id, at any depth."""
    for part in reversed(parts):
        if isinstance(part, ToolPart | StepPart):
            if isinstance(part, kind) and id == (part.id if isinstance(part, ToolPart) else part.step):
                return part
            if (found := _owner(part.parts, kind, id)) is not None:
                return found
    return None


def _token(parts: list[Part], event: Event) -> bool:
    if parts and isinstance(last := parts[-1], TextPart):
        last.add(event["token"])
    else:
        parts.append(TextPart(event["token"]))
    return True


def _thinking(parts: list[Part], event: Event) -> bool:
    if parts and isinstance(last := parts[-1], ThinkingPart):
        last.add(event["text"])
    else:
        parts.append(ThinkingPart(event["text"]))
    return True


def _tool(event: Event) -> ToolPart:
    return ToolPart(event["id"], event["name"], event.get("arguments"), event.get("client") is True)


def _tool_call(parts: list[Part], event: Event) -> bool:
    parts.append(_tool(event))
    return True


def _tool_output(parts: list[Part], event: Event) -> bool:
    """Apply the output of a running tool, which is its result so far."""
    tool = next((one for one in reversed(parts) if _is_running(one, ToolPart, "id", event["id"])), None)
    if not isinstance(tool, ToolPart):
        return False
    tool.result = (tool.result or "") + event["output"]
    return True


def _tool_result(parts: list[Part], event: Event) -> bool:
    """Apply a result. If its call was in an earlier part of the run, it becomes a separate part."""
    tool = next((one for one in reversed(parts) if _is_running(one, ToolPart, "id", event["id"])), None)
    if not isinstance(tool, ToolPart):
        tool = _tool(event)
        parts.append(tool)
    tool.state = "ok" if event["ok"] else "failed"
    tool.summary, tool.result = event.get("summary"), event.get("result")
    tool.duration_ms = event.get("durationMs")
    return True


def _injected(parts: list[Part], event: Event) -> bool:
    parts.append(MessagePart(event["messageId"], event["content"]))
    return True


def _approval_requested(parts: list[Part], event: Event) -> bool:
    """Apply a request. After a takeover, a call that already waits is reported again."""
    if any(isinstance(part, ApprovalPart) and part.call_id == event["callId"] for part in parts):
        return False
    parts.append(
        ApprovalPart(
            event["callId"],
            event["kind"],
            event.get("name"),
            event.get("arguments"),
            event.get("prompt"),
            event.get("options") or [],
            event.get("schema"),
            event["expiresAt"],
        )
    )
    return True


def _approval_answered(parts: list[Part], event: Event) -> bool:
    for part in parts:
        if isinstance(part, ApprovalPart) and part.call_id == event["callId"]:
            part.state, part.decision = "answered", event["decision"]
            part.answered_by, part.reason = event.get("answeredBy"), event.get("reason")
    return True


def _step(event: Event, state: Literal["running", "skipped"]) -> StepPart:
    kind, index, total = (event.get(name) for name in ("kind", "index", "total"))
    return StepPart(event["step"], event["name"], kind, index, total, state)


def _step_start(parts: list[Part], event: Event) -> bool:
    parts.append(_step(event, "running"))
    return True


def _step_skipped(parts: list[Part], event: Event) -> bool:
    parts.append(_step(event, "skipped"))
    return True


def _step_complete(parts: list[Part], event: Event) -> bool:
    step = next((one for one in reversed(parts) if _is_running(one, StepPart, "step", event["step"])), None)
    if not isinstance(step, StepPart):
        step = _step(event, "running")
        parts.append(step)
    step.state = "ok" if event["ok"] else "failed"
    step.duration_ms = event.get("durationMs")
    return True


def _is_running(part: Part, kind: type[ToolPart | StepPart], name: str, id: str) -> bool:
    return isinstance(part, kind) and getattr(part, name) == id and part.state == "running"


_CHANGES = {
    "token": _token,
    "thinking": _thinking,
    "tool_call": _tool_call,
    "tool_output": _tool_output,
    "tool_result": _tool_result,
    "injected": _injected,
    "approval_requested": _approval_requested,
    "approval_answered": _approval_answered,
    "flow_step_start": _step_start,
    "flow_step_skipped": _step_skipped,
    "flow_step_complete": _step_complete,
}
