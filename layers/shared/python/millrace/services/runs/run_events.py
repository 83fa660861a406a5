"""Events of a run for the command center and pipelines, put on the bus in batches beside the stream.

Each entry has the source `millrace.agent_execution`, its type as detail type, and a detail
`{id, type, time, organization, runId, agentId, agentName, conversationId, ...}`; `id` is unique and the same
when an entry is put twice.
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
"""The source of events about calls that wait for a person, so that pipelines can choose them."""
PROGRESS_SECONDS = 1.0
FLUSH_SECONDS = 0.25
GATHER_SECONDS = 0.05
"""After an urgent event, for its neighbors to go on the bus with it."""
# EventBridge takes 256 KB in one call, and a character may need six bytes in JSON.
RESULT_CHARACTERS = 16_000
QUERY_CHARACTERS = 200
# The command center reads numbers of up to 15 digits (`domain.record.split_id`).
LAST_NUMBER = 10**15 - 1
"""The number of an end that others tell of a run; higher than any of its own."""


def ended_facts(run: Run) -> dict[str, Any]:
    """The fields of the last event of a run, well or badly ended; null where one is not known."""
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
    """`hops` of a run that a delivery started, `traceparent` of one whose request was part of a trace."""
    origin = {"hops": run.hops, "traceparent": run.traceparent}
    return {name: value for name, value in origin.items() if value}


def missed_end(run: Run) -> Event:
    """The last event of a run that could not tell it itself, or whose word was lost."""
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
    """A run that was under way as it ends when its conversation is deleted: nobody's error."""
    return replace(run, state="stopped", finish_reason="deleted", error=None)


def deleted_run(run: Run, at: str) -> Event:
    """A run has been deleted with its conversation: nothing of what was said in it is told any more. Its
    `status` is none of those by which pipelines choose runs that have ended."""
    return {
        # Another number than that of `missed_end`: the record would take the second of them for a repeat.
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
    """An event of a run as the bus takes it."""
    source = APPROVALS if event["type"].startswith("approval:") else SOURCE
    return BusEvent(source, event["type"], orjson.dumps(event).decode())


_ASKS = {"approval_requested": "approval:requested", "approval_answered": "approval:answered"}
"""The events of calls that wait, as the bus names them."""


class RunEvents:
    """Collects a run's events and puts them on the bus; `flush` never raises: a bus that is down costs the
    view, not the run."""

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
        self._sub_agents: dict[str, str] = {}
        self._asked_at: dict[str, int] = {}

    def add(self, kind: str, data: dict[str, Any], *, urgent: bool = False) -> None:
        """Collect one event; `urgent` ones go with the next beat."""
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
        """The run goes on after it has waited or was queued."""
        self.add("run:status_changed", {"from": state, "to": "running"}, urgent=True)

    def started(self) -> None:
        """The run has begun."""
        self.add("run:started", {"run": self._run.to_wire(), "status": "running"}, urgent=True)

    def watch(self, event: Event) -> None:
        """See every event of the run but tokens, as it is emitted. That a tool is at work may always be
        seen; which one only where the run's visibility shows it."""
        kind = event["type"]
        if kind == "tool_call":
            self.add("run:tool_started", self._tool(event), urgent=True)
        elif kind == "tool_result":
            self.add("run:tool_completed", self._tool(event) | self._done(event))
        elif kind in _ASKS and event["kind"] != "client":  # a program waits for a program: no news for people
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
        """A call of a tool is the work of another agent."""
        self._sub_agents[call_id] = agent_id

    def note_request(self, call_id: str, at: int) -> None:
        """A call that is answered now has waited for people since then (milliseconds since 1970)."""
        self._asked_at[call_id] = at

    def searched(self, query: str, hits: int) -> None:
        """The agent has searched earlier conversations. The query is an argument of its tool, so it is told
        where arguments are shown."""
        shown = query[:QUERY_CHARACTERS] if self._run.visibility == "full" else None
        self.add("run:memory_op", {"op": "search", "query": shown, "hits": hits})

    def remembered(self, op: str, about: dict[str, Any]) -> None:
        """The agent has used its memory. Texts are arguments of its tools, so they are told where arguments
        are shown."""
        texts = {name: about[name][:QUERY_CHARACTERS] for name in ("query", "text") if name in about}
        if self._run.visibility != "full":
            texts = dict.fromkeys(texts)
        self.add("run:memory_op", {"op": op} | about | texts)

    def ended(self, run: Run, answer: str) -> None:
        """The run has ended, well or badly."""
        self._run = run
        self.add("run:status_changed", {"from": "running", "to": run.state}, urgent=True)
        if run.error:
            self.add("run:error", ended_facts(run) | {"error": run.error})
        else:
            self.add("run:completed", ended_facts(run) | {"result": answer[:RESULT_CHARACTERS]})

    async def wait(self, seconds: float) -> None:
        """Wait so long; or until an urgent event may go on the bus, which viewers wait for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()
                rest = self._last_flush + FLUSH_SECONDS - time.monotonic()
                await asyncio.sleep(max(GATHER_SECONDS, rest))

    def beat(self, cost: float | None) -> bool:
        """Add progress when it is due; say whether there is something to put now."""
        now = time.monotonic()
        if self.tokens > self._shown_tokens and now - self._last_progress >= PROGRESS_SECONDS:
            self.add("run:progress", {"tokens": self.tokens, "cost": cost}, urgent=True)
            self._shown_tokens, self._last_progress = self.tokens, time.monotonic()
        due = self._urgent.is_set() and now - self._last_flush >= FLUSH_SECONDS
        # PutEvents takes ten entries in one call; waiting for more would save nothing.
        return due or len(self._waiting) >= 10

    def collected(self) -> list[Event]:
        """The events that are not on the bus yet."""
        return [orjson.loads(event.detail) for event in self._waiting]

    async def flush(self) -> None:
        """Put the collected events on the bus."""
        async with self._lock:
            events, self._waiting = self._waiting, []
            self._urgent.clear()
            self._last_flush = time.monotonic()
            if not events:
                return
            try:
                await self._bus.put(events)
            except asyncio.CancelledError:
                self._waiting = events + self._waiting  # put again by whoever flushes last: same ids
                raise
            except Exception:  # whatever is wrong with the bus, the run goes on
                log.exception("%d events of %s did not reach the bus", len(events), self._run.id)
