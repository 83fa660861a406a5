"""The data on the terminal, kept up to date from a snapshot and the events after it."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from millrace.domain.command_center import DELETED, ENDS
from millrace.domain.events import Event
from millrace.domain.record import OVER

RECENT = 8


@dataclass(slots=True)
class Board:
    """Active runs by id, triggered alerts by rule, the runs that ended last, and sums since the view began.

    `waiting` has the calls that wait for a person, by run and call, as far as the view has seen them begin.
    `cost` is US dollars for model calls with a known price, or None without any.
    """

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, dict[str, Event]] = field(default_factory=dict)
    recent: deque[Event] = field(default_factory=lambda: deque(maxlen=RECENT))
    started: int = 0
    completed: int = 0
    failed: int = 0
    tokens: int = 0
    cost: float | None = None

    def begin(self, snapshot: dict[str, Any]) -> int:
        """Start from a snapshot, keeping the sums. Return the number to stream from."""
        self.runs = {run["runId"]: run for run in snapshot["runs"]}
        self.waiting = {run: calls for run, calls in self.waiting.items() if run in self.runs}
        self.alerts = {alert["ruleId"]: alert for alert in snapshot["alerts"]}
        return int(snapshot["since"])

    def apply(self, event: Event) -> None:
        """Apply one event."""
        kind = event["type"]
        if kind == "alert:triggered":
            self.alerts[event["alert"]["ruleId"]] = event["alert"]
        elif kind == "alert:resolved":
            self.alerts.pop(event["alert"]["ruleId"], None)
        elif kind in ENDS:
            self._end(event)
        elif kind == DELETED:
            self._forget(event)
        elif kind.startswith("approval:"):
            self._apply_approval(event)
        elif kind.startswith("run:"):
            self._apply_run_event(event)

    def _apply_approval(self, event: Event) -> None:
        calls = self.waiting.setdefault(event["runId"], {})
        if event["type"] == "approval:requested":
            calls[event["callId"]] = event
        else:
            calls.pop(event["callId"], None)

    def _end(self, event: Event) -> None:
        self.runs.pop(event["runId"], None)
        self.waiting.pop(event["runId"], None)
        self.recent.appendleft(event)
        if event["type"] == "run:error":
            self.failed += 1
        else:
            self.completed += 1

    def _forget(self, event: Event) -> None:
        self.runs.pop(event["runId"], None)
        self.waiting.pop(event["runId"], None)
        kept = [ended for ended in self.recent if ended["runId"] != event["runId"]]
        self.recent = deque(kept, maxlen=RECENT)

    def _apply_run_event(self, event: Event) -> None:
        kind = event["type"]
        if kind == "run:llm_call":
            # Cached tokens are listed separately, but are part of the input.
            used = event.get("tokens") or {}
            self.tokens += used.get("input", 0) + used.get("output", 0)
            if event.get("cost") is not None:
                self.cost = (self.cost or 0) + event["cost"]
        if kind == "run:status_changed" and event["to"] in OVER:
            self.runs.pop(event["runId"], None)
            return
        if kind == "run:started":
            self.started += 1
            names = ("runId", "agentId", "agentName")
            new = {name: event[name] for name in names} | {"startedAt": event["time"], "status": "running"}
            # The snapshot may already have the run, with more data than its first event.
            self.runs.setdefault(event["runId"], new)
        run = self.runs.get(event["runId"])
        if run is None:
            return
        if kind == "run:status_changed":
            run["status"] = event["to"]
        elif kind == "run:progress":
            run["tokens"], run["cost"] = event["tokens"], event["cost"]
        elif kind == "run:tool_started":
            run["tool"] = event["tool"]
        elif kind == "run:tool_completed":
            run["tool"] = None
