"""Taking a run over: what it has done is read, what was told of the step that was lost is taken back."""

from dataclasses import dataclass, field, replace

from millrace.agent.history import unanswered
from millrace.domain import events
from millrace.domain.clock import from_iso
from millrace.domain.content import plain_text
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.ids import new_id
from millrace.domain.projection import last_announced
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import LeaseRecord, Progress, Run
from millrace.services.runs.lost_usage import budget_of, with_usage
from millrace.services.runs.model_history import model_history
from millrace.services.runs.recover import taken_back
from millrace.services.runs.run_session import RunSession
from millrace.stores.connect import Stores
from millrace.stores.event_log import number
from millrace.stores.runs import stream_of


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored state of a run that has no process: its lease and its definition, the history of its
    slot, the events that were logged after the last complete step, and the ids of the live messages that
    it has `announced`. The history `for_model` may begin with a summary."""

    run: Run
    lease_record: LeaseRecord
    definition: RunDefinition
    history: list[StoredMessage]
    logged: list[LogEntry]
    announced: frozenset[str] = frozenset()
    for_model: list[StoredMessage] = field(default_factory=list)

    @property
    def open_calls(self) -> list[str]:
        """The ids of the calls of the last turn that have no result."""
        return [use["toolUseId"] for use in unanswered(self._own)]

    @property
    def _own(self) -> list[StoredMessage]:
        return [message for message in self.history if message.run_id == self.run.id]

    @property
    def step(self) -> str:
        """The name of the step that is next: the tools at work, or the model."""
        names = [use["name"] for use in unanswered(self._own)]
        return ", ".join(dict.fromkeys(names)) or f"model {self.run.model}"

    @property
    def died(self) -> bool:
        """True when the process before was lost in the middle of a step."""
        return self.lease_record.parked is None

    @property
    def answer(self) -> list[str]:
        """The texts that the run's agent has said."""
        return [
            block["text"]
            for message in self._own
            if message.role == "assistant"
            for block in message.content
            if "text" in block
        ]

    def first_events(self) -> list[Event]:
        """The events with which the next process begins: what was told of the lost step is taken back, and
        what is stored of it is told again. None after a process that left at a step's boundary."""
        answered = self._answered_calls()
        repeated = [one.event for one in last_announced(self.logged) if _is_stored(one.event, answered)]
        repeated += [
            events.injected(
                one.id, plain_text(one.content), Progress.of(self.lease_record.progress).iterations + 1
            )
            for one in latest_injected(self.history)
            if one.id not in self.announced
        ]
        if not self.died:
            return repeated
        return [*taken_back(self.run, self.lease_record, self.lease_record.saved), *repeated]

    def _answered_calls(self) -> set[str]:
        """The calls of the last turn that have a result, and those of sub-agents that worked for them."""
        found = {
            block["toolResult"]["toolUseId"]
            for message in self._own
            for block in message.content
            if "toolResult" in block
        }
        for one in self.logged:
            if one.type == "tool_call" and one.event.get("parent") in found:
                found.add(one.event["id"])
        return found


def _is_stored(event: Event, answered: set[str]) -> bool:
    call = event.get("parent", event.get("id", event.get("callId")))
    return event["type"] == "injected" or call in answered


async def load_stored(stores: Stores, run: Run, lease: LeaseRecord, definition: RunDefinition) -> Stored:
    """Read what is stored of a run."""
    snapshot = await stores.conversations.open(run.slot)
    for_model = await model_history(stores, run.slot, snapshot)
    whole = {message.id: message for message in for_model}
    history = [whole.get(message.id, message) for message in snapshot.history]
    injected, stream = latest_injected(history), stream_of(run.slot.organization, run.id)
    logged: list[LogEntry] = []
    if injected or lease.saved < lease.seq:
        logged = await stores.log.read(stream, 0 if injected else lease.saved)
    # A live message is stored first and announced after it, so a process may have died in between.
    announced = frozenset(one.event["messageId"] for one in logged if one.type == "injected")
    after = [one for one in logged if one.seq > lease.saved]
    return Stored(run, lease, definition, history, after, announced, for_model)


def latest_injected(history: list[StoredMessage]) -> list[StoredMessage]:
    """The live messages to which the agent has not said anything yet."""
    found: list[StoredMessage] = []
    for message in reversed(history):
        if not message.injected:
            break
        found.insert(0, message)
    return found


async def take_over(stores: Stores, stored: Stored) -> RunSession | None:
    """Take the run over: its session in this process. None when another process was faster."""
    run, record = replace(stored.run, state="running"), stored.lease_record
    progress = Progress.of(record.progress).resumed(stores.clock())
    # A stored turn is part of the progress; counted again by its events it would be paid for twice.
    logged = [] if stored.open_calls else stored.logged
    budget = budget_of(stored.definition.agent.limits, run.model, progress, stored.for_model, logged)
    progress = with_usage(progress, budget)
    attempts = record.attempts + stored.died
    # Clients of a dead process may have seen any number up to the reserved one; whoever parks a run gives
    # none beyond the log.
    first = number(record.reserved if stored.died else record.seq, stored.first_events())
    lease = await stores.takeovers.take_over(run, record, new_id("env"), first, progress, attempts)
    if lease is None:
        return None
    session = RunSession(
        stores,
        lease,
        budget,
        # Live messages are accepted while nobody holds the run, so that even its first step has to look.
        pending_live_messages=True,
        continuable=True,
        unanswered=stored.open_calls,
        elapsed_ms=stores.clock() - from_iso(run.started_at) - progress.paused_ms,
    )
    session.answer += stored.answer
    if stored.run.state != "running":
        session.bus.resumed(stored.run.state)
    return session
