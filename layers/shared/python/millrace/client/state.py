"""The state of a run from its events. The TypeScript client follows the same rules, and both read
`sdk/golden`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from millrace.client.errors import RunFailedError, RunWaitsError
from millrace.client.naming import to_camel
from millrace.client.parts import ApprovalPart, Part, TextPart, extend, settle, to_wire

Event = Mapping[str, Any]


@dataclass(slots=True)
class RunState:
    """The result of a run's events; None for values that no event has set.

    `status` is `submitted` before the first event and `waiting` while people are asked; `done` is every end
    but an error. `activity` is the latest status message, until the agent writes. `cost` is in US dollars.
    `output` is the answer as JSON if a schema was requested, and `result` that of a flow.
    """

    run_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    agent_id: str | None = None
    status: Literal["submitted", "streaming", "waiting", "done", "error"] = "submitted"
    activity: str | None = None
    parts: list[Part] = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    cost: float | None = None
    duration_ms: int | None = None
    output: Any = None
    result: Any = None
    error: dict[str, Any] | None = None
    _log: list[tuple[int, Event]] = field(default_factory=list, repr=False, compare=False)
    _last: tuple[str, int] | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The answer, with an empty line between pieces that are separated by something else."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def waiting(self) -> list[ApprovalPart]:
        """The calls that wait for a person."""
        asked = (part for part in self.parts if isinstance(part, ApprovalPart))
        return [part for part in asked if part.state == "waiting"]

    @property
    def is_over(self) -> bool:
        """True once the run has ended."""
        return self.status in ("done", "error")

    def apply(self, event: Event, id: str | None = None) -> None:
        """Apply an event; `id` is its id in the stream. Events that were already applied change nothing."""
        number = self._log[-1][0] if self._log else 0
        if id is not None:
            run, _, digits = id.rpartition(".")
            number = int(digits) if digits.isdigit() else 0
            if self._last and run == self._last[0] and number <= self._last[1]:
                return
            self._last = (run, number)
        kind = event["type"]
        if kind == "rewind":
            self._rewind(event["after"])
            return
        if kind == "start" and self.run_id and event["runId"] != self.run_id:
            self._log = []
        self._log.append((number, event))
        self._reduce(kind, event)

    def piece(self, event: Event) -> str:
        """Return what this event, which was applied last, adds to the answer: nothing for most events."""
        if event["type"] != "token" or "parent" in event:
            return ""
        token = str(event["token"])
        last = self.parts[-1] if self.parts else None
        if "step" in event or not isinstance(last, TextPart) or not last.is_new:
            return token
        return "\n\n" + token if any(isinstance(part, TextPart) for part in self.parts[:-1]) else token

    def checked(self) -> "RunState":
        """Return this state if the run ended successfully. Raises `RunFailedError` and `RunWaitsError`."""
        if self.status == "error":
            error = self.error or {}
            raise RunFailedError(
                str(error.get("code")), str(error.get("message")), bool(error.get("retryable")), self.run_id
            )
        if self.status == "waiting":
            calls = [{"callId": part.call_id, "kind": part.kind, "name": part.name} for part in self.waiting]
            raise RunWaitsError(calls, self.run_id)
        return self

    def to_wire(self) -> dict[str, Any]:
        """Return the state as JSON, as in the TypeScript client."""
        shown = (one.name for one in fields(self) if not one.name.startswith("_"))
        found = {to_camel(name): getattr(self, name) for name in shown}
        return found | {"parts": [to_wire(part) for part in self.parts]}

    def _rewind(self, after: str) -> None:
        """Take back everything after the event with this id, since another process continues from there."""
        digits = after.rpartition(".")[2]
        last = int(digits) if digits.isdigit() else 0
        kept = [(number, event) for number, event in self._log if number <= last]
        self._forget()
        self._log = kept
        for _, event in kept:
            self._reduce(event["type"], event)

    def _forget(self) -> None:
        new = RunState()
        for one in fields(self):
            if not one.name.startswith("_"):
                setattr(self, one.name, getattr(new, one.name))

    def _reduce(self, kind: str, event: Event) -> None:
        if kind == "start":
            self._begin(event)
        elif kind == "status":
            self.status, self.activity = "streaming", event["message"]
        elif kind == "waiting":
            self.status, self.activity = "waiting", None
        elif kind == "done" or kind == "error":
            if "parent" not in event:
                self._end(kind, event)
        elif extend(self.parts, event):
            self.status = "streaming"
            if kind == "token" or kind == "approval_requested":
                self.activity = None

    def _begin(self, event: Event) -> None:
        """Apply a start. A repeated start changes nothing; the start of another run resets the state."""
        if "parent" in event or self.run_id == event["runId"]:
            return
        if self.run_id:
            self._forget()
        self.status, self.run_id = "streaming", event["runId"]
        self.conversation_id, self.message_id = event.get("conversationId"), event.get("messageId")
        self.agent_id = event.get("agentId")

    def _end(self, kind: str, event: Event) -> None:
        settle(self.parts)
        self.activity = None
        if kind == "error":
            self.status = "error"
            self.error = {name: event.get(name) for name in ("message", "code", "retryable")}
            return
        self.status = "done"
        self.message_id = event.get("messageId", self.message_id)
        self.finish_reason, self.usage = event.get("finishReason"), event.get("usage")
        self.cost, self.duration_ms = event.get("cost"), event.get("durationMs")
        self.output, self.result = event.get("output"), event.get("result")


def is_end(event: Event) -> bool:
    """Return whether this event ends the run; the end of a sub-agent does not."""
    return event["type"] in ("done", "error") and "parent" not in event
