"""Events of a run for the command center and pipelines, put on the bus in batches apart from the stream.

Each entry has the source `millrace.agent_execution`, its type as the detail type, and a detail `{id, type,
time, organization, runId, agentId, agentName, conversationId, ...}`. `id` is unique, and the same if an entry
is put twice.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.clock import Clock, iso
from millrace.domain.events import Event
from millrace.domain.projection import project
from millrace.domain.runs import Run
from millrace.stores.bus import BusEvent, EventBus

log = logging.getLogger(__name__)

SOURCE = "millrace.agent_execution"
APPROVALS = "millrace.approval"
"""The source of events about calls that wait for a person, so that pipelines can select them."""
PROGRESS_SECONDS = 1.0
FLUSH_SECONDS = 0.25
GATHER_SECONDS = 0.05
"""The time after an urgent event to collect others for the same call."""
# EventBridge accepts 256 KB in one call, and a character may take six bytes in JSON.
RESULT_CHARACTERS = 16_000
QUERY_CHARACTERS = 200
# The command center reads numbers of up to 15 digits (`domain.record.split_id`).
LAST_NUMBER = 10**15 - 1
"""The number of an end that another process reports for a run, above all of the run's own numbers."""


def ended_facts(run: Run) -> dict[str, Any]:
    """Return the fields of the last event of a run, whatever its outcome; unknown ones are null."""
    return {
        "run": run.to_wire(),
        "status": run.state,
        "tokenUsage": run.usage,
        "tokens": run.usage["total"] if run.usage else None,
        "cost": run.cost,
        "startedAt": run.started_at,
        "completedAt": run.ended_at,
        "durationMs": run.duration_ms,
        "finishReason": run.finish_reason,
    }


def origin_of(run: Run) -> dict[str, Any]:
    """Return `hops` of a run that a delivery started, and `traceparent` of one that is part of a trace."""
    origin = {"hops": run.hops, "traceparent": run.traceparent}
    return {name: value for name, value in origin.items() if value}


def missed_end(run: Run) -> Event:
    """Return the last event of a run that could not send it itself, or whose event was lost."""
    end: Event = {
        "id": f"{run.id}:{LAST_NUMBER}",
        "time": run.ended_at,
        "organization": run.slot.organization,
        "runId": run.id,
        "agentId": run.agent_id,
        "agentName": run.agent_name,
        "conversationId": run.slot.conversation_id,
    }
    end |= origin_of(run)
    if run.error:
        return end | ended_facts(run) | {"type": "run:error", "error": run.error}
    return end | ended_facts(run) | {"type": "run:completed", "result": ""}


def deleted(run: Run) -> Run:
    """Return an active run as it ends when its conversation is deleted, which is not an error."""
    return replace(run, state="stopped", finish_reason="deleted", error=None)


def deleted_run(run: Run, at: str) -> Event:
    """Return the event for a run that was deleted with its conversation, without any of its texts.

    Its `status` is not among those by which pipelines select ended runs.
    """
    return {
        # Not the number of `missed_end`, because the record would take the second of them for a duplicate.
        "id": f"{run.id}:{LAST_NUMBER - 1}",
        "type": "run:deleted",
        "time": at,
        "organization": run.slot.organization,
        "runId": run.id,
        "agentId": run.agent_id,
        "agentName": run.agent_name,
        "conversationId": run.slot.conversation_id,
        "status": "deleted",
    }


def to_bus(event: Event) -> BusEvent:
    """Return a run's event in the form for the bus."""
    source = APPROVALS if event["type"].startswith("approval:") else SOURCE
    return BusEvent(source, event["type"], orjson.dumps(event).decode())


_ASKS = {"approval_requested": "approval:requested", "approval_answered": "approval:answered"}
"""The events of waiting calls, as the bus names them."""


class RunEvents:
    """Collects a run's events and puts them on the bus.

    `flush` never raises: if the bus is down, only the view suffers, not the run.
    """

    def __init__(self, bus: EventBus, run: Run, clock: Clock, count: int = 0) -> None:
        self._bus = bus
        self._run = run
        self._clock = clock
        self._count = count
        self._waiting: list[BusEvent] = []
        self._urgent = asyncio.Event()
        self.tokens = 0
        self._shown_tokens = 0
        self._last_flush = 0.0
        self._last_progress = time.monotonic()
        self._lock = asyncio.Lock()
        self._putting: asyncio.Task[None] | None = None
        self._sub_agents: dict[str, str] = {}
        self._asked_at: dict[str, int] = {}

    def add(self, kind: str, data: dict[str, Any], *, urgent: bool = False) -> None:
        """Collect an event. Urgent ones are sent with the next `beat`."""
        self._count += 1
        run = self._run
        detail = {
            "id": f"{run.id}:{self._count}",
            "type": kind,
            "time": iso(self._clock()),
            "organization": run.slot.organization,
            "runId": run.id,
            "agentId": run.agent_id,
            "agentName": run.agent_name,
            "conversationId": run.slot.conversation_id,
            **origin_of(run),
        } | data
        self._waiting.append(to_bus(detail))
        if urgent:
            self._urgent.set()

    def resumed(self, state: str) -> None:
        """Report that the run continues after it waited or was queued."""
        self.add("run:status_changed", {"from": state, "to": "running"}, urgent=True)

    def started(self) -> None:
        """Report that the run has begun."""
        self.add("run:started", {"run": self._run.to_wire(), "status": "running"}, urgent=True)

    def watch(self, event: Event) -> None:
        """Watch every emitted event of the run except tokens.

        Everybody may see that a tool is working, but its name is shown only if the run's visibility allows
        it.
        """
        kind = event["type"]
        if kind == "tool_call":
            self.add("run:tool_started", self._tool(event), urgent=True)
        elif kind == "tool_result":
            self.add("run:tool_completed", self._tool(event) | self._done(event))
        # a program waits for a program, which is no news for people
        elif kind in _ASKS and event["kind"] != "client":
            self.add(_ASKS[kind], self._asked(event), urgent=True)
        elif kind == "injected":
            self.add("run:memory_op", {"op": "inject", "messageId": event["messageId"]})

    def _tool(self, event: Event) -> Event:
        shown = project(event, self._run.visibility)
        parent = {"parent": event["parent"]} if "parent" in event else {}
        return {"tool": shown["name"] if shown else None, "callId": event["id"]} | parent

    def _done(self, event: Event) -> Event:
        done = {name: event[name] for name in ("ok", "durationMs", "bytes")}
        agent_id = self._sub_agents.get(event["id"])
        return done | {"subAgentId": agent_id} if agent_id and project(event, self._run.visibility) else done

    def _asked(self, event: Event) -> Event:
        shown = project(event, self._run.visibility) or {}
        facts = {name: value for name, value in shown.items() if name != "type"}
        asked_at = self._asked_at.get(event["callId"]) if event["type"] == "approval_answered" else None
        since = {"requestedAt": iso(asked_at)} if asked_at else {}
        return facts | since | {"requestedBy": self._run.created_by or None}

    def note_sub_agent(self, call_id: str, agent_id: str) -> None:
        """Record that a tool call is the work of another agent."""
        self._sub_agents[call_id] = agent_id

    def note_request(self, call_id: str, at: int) -> None:
        """Record that a call, answered now, has waited for people since a time (epoch milliseconds)."""
        self._asked_at[call_id] = at

    def searched(self, query: str, hits: int) -> None:
        """Report that the agent has searched earlier conversations.

        The query is an argument of its tool, so it is included only where arguments are shown.
        """
        shown = query[:QUERY_CHARACTERS] if self._run.visibility == "full" else None
        self.add("run:memory_op", {"op": "search", "query": shown, "hits": hits})

    def remembered(self, op: str, about: dict[str, Any]) -> None:
        """Report that the agent has used its memory.

        Texts are arguments of its tools, so they are included only where arguments are shown.
        """
        texts = {name: about[name][:QUERY_CHARACTERS] for name in ("query", "text") if name in about}
        if self._run.visibility != "full":
            texts = dict.fromkeys(texts)
        self.add("run:memory_op", {"op": op} | about | texts)

    def ended(self, run: Run, answer: str) -> None:
        """Report that the run has ended, whatever its outcome."""
        self._run = run
        self.add("run:status_changed", {"from": "running", "to": run.state}, urgent=True)
        if run.error:
            self.add("run:error", ended_facts(run) | {"error": run.error})
        else:
            self.add("run:completed", ended_facts(run) | {"result": answer[:RESULT_CHARACTERS]})

    async def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until an urgent event should be put on the bus, because viewers wait for
        it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()
                rest = self._last_flush + FLUSH_SECONDS - time.monotonic()
                await asyncio.sleep(max(GATHER_SECONDS, rest))

    def beat(self, cost: float | None) -> bool:
        """Add progress if it is due. Return whether there is something to put now."""
        now = time.monotonic()
        if self.tokens > self._shown_tokens and now - self._last_progress >= PROGRESS_SECONDS:
            self.add("run:progress", {"tokens": self.tokens, "cost": cost}, urgent=True)
            self._shown_tokens, self._last_progress = self.tokens, time.monotonic()
        due = self._urgent.is_set() and now - self._last_flush >= FLUSH_SECONDS
        # PutEvents accepts ten entries in one call, so waiting for more would save nothing.
        return due or len(self._waiting) >= 10

    def collected(self) -> list[Event]:
        """Return the events that are not on the bus yet."""
        return [orjson.loads(event.detail) for event in self._waiting]

    async def flush(self) -> None:
        """Put the collected events on the bus.

        If it is canceled, the call goes on, and the next flush waits for it: each event is put, and paid for,
        once.
        """
        async with self._lock:
            if self._putting:
                await asyncio.shield(self._putting)
            events, self._waiting = self._waiting, []
            self._urgent.clear()
            self._last_flush = time.monotonic()
            if events:
                self._putting = asyncio.create_task(self._put(events))
                await asyncio.shield(self._putting)

    async def _put(self, events: list[BusEvent]) -> None:
        try:
            await self._bus.put(events)
        except Exception:  # whatever is wrong with the bus, the run continues
            log.exception("%d events of %s did not reach the bus", len(events), self._run.id)
