"""Takeover of a run: read its stored state, and revoke what was sent of the lost step."""

import asyncio
from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.agent.history import open_calls, unanswered
from millrace.domain import events
from millrace.domain.clock import from_iso
from millrace.domain.content import plain_text
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.ids import new_id
from millrace.domain.projection import last_announced
from millrace.domain.run_definitions import STEP, RunDefinition
from millrace.domain.runs import LeaseRecord, Progress, Run
from millrace.services.runs.lost_usage import budget_of, with_usage
from millrace.services.runs.model_history import model_history
from millrace.services.runs.recover import taken_back
from millrace.services.runs.retold import retold
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.tool_rules import asked_by
from millrace.stores.connect import Stores
from millrace.stores.event_log import number
from millrace.stores.nested_work import NestedWork
from millrace.stores.runs import stream_of


class Stored(Struct, frozen=True, dict=True):
    """The stored state of a run without a process.

    It has its lease and definition, the history of its slot, the events logged after the last complete step,
    and the ids of live messages that it has `announced`. The history `for_model` may begin with a summary.
    `nested` is the work of other agents for it, and `asked` the ids of its calls that wait or have waited for
    people.
    """

    run: Run
    lease_record: LeaseRecord
    definition: RunDefinition
    history: list[StoredMessage]
    logged: list[LogEntry]
    announced: frozenset[str] = frozenset()
    for_model: list[StoredMessage] = field(default_factory=list)
    nested: NestedWork = field(default_factory=NestedWork)
    asked: frozenset[str] = frozenset()

    @property
    def open_calls(self) -> list[str]:
        """Return the ids of the last turn's calls without a result."""
        return [use["toolUseId"] for use in unanswered(self._own)]

    @property
    def _own(self) -> list[StoredMessage]:
        return [message for message in self.history if message.run_id == self.run.id]

    @property
    def before(self) -> list[StoredMessage]:
        """The history for a model up to the run."""
        return [message for message in self.for_model if message.run_id != self.run.id]

    @property
    def step(self) -> str:
        """The name of the next step: the tools in progress, or the model."""
        names = [use["name"] for use in unanswered(self._own)]
        return ", ".join(dict.fromkeys(names)) or f"model {self.run.model}"

    @property
    def died(self) -> bool:
        """True if the previous process died in the middle of a step."""
        return self.lease_record.parked is None

    @property
    def answer(self) -> list[str]:
        """The texts that the run's agent has written."""
        return [
            block["text"]
            for message in self._own
            if message.role == "assistant"
            for block in message.content
            if "text" in block
        ]

    def first_events(self) -> list[Event]:
        """The events with which the next process begins.

        They revoke what was sent of the lost step, and send again what is stored of it. There are none after
        a process that left at a step's boundary.
        """
        repeated = retold(one.event for one in last_announced(self.logged) if self._is_stored(one))
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

    def _is_stored(self, logged: LogEntry) -> bool:
        """Return whether the subject of an event of the interrupted step is stored.

        That is a live message, a waiting call, a result, or a part of an agent's work.
        """
        event = logged.event
        call = str(event.get("id", event.get("callId")))
        if event["type"] == "injected":
            return True
        if event["type"] == "approval_requested":
            return call in self.asked
        if call in self._answered:
            return True
        work = self.nested.messages.get(event.get("parent", ""), [])
        return bool(work) and logged.seq <= announced_by(work)

    @cached_property
    def _answered(self) -> set[str]:
        """The calls of all agents that have a result."""
        nested = (message for messages in self.nested.messages.values() for message in messages)
        return {
            block["toolResult"]["toolUseId"]
            for message in (*self._own, *nested)
            for block in message.content
            if "toolResult" in block
        }

    def lost(self) -> dict[str, list[LogEntry]]:
        """The events of each piece of work that are not stored."""
        logged = last_announced(self.logged)
        return {
            work: [one for one in logged if _is_of(one.event, work) and one.seq > announced_by(messages)]
            for work, messages in self.nested.messages.items()
        }

    def call_ids(self) -> set[str]:
        """Return the ids of all stored calls, including those of earlier runs."""
        nested = (message for messages in self.nested.messages.values() for message in messages)
        return {id for message in (*self.history, *nested) for id in open_calls(message.content)}

    def steps_under_way(self) -> list[Event]:
        """Return the steps stored with the work of other agents that are in no message of the history yet."""
        works = list(self.nested.messages) if self.definition.kind == "flow" else self.open_calls
        found: list[StoredMessage] = []
        while works:
            messages = [one for work in works for one in self.nested.messages.get(work, [])]
            found += messages
            works = [id for message in messages for id in open_calls(message.content)]
        return [step for message in sorted(found, key=lambda one: one.id) for step in message.steps]


def announced_by(work: Sequence[StoredMessage]) -> int:
    """Return the number of the last event that the messages of a piece of work cover."""
    return max((message.position.announced for message in work if message.position), default=0)


def _is_of(event: Event, work: str) -> bool:
    of_run = work if work.startswith(STEP) else ""
    return bool(event.get("parent", of_run) == work)


async def load_stored(stores: Stores, run: Run, lease: LeaseRecord, definition: RunDefinition) -> Stored:
    """Read the stored state of a run."""
    snapshot = await stores.conversations.open(run.slot)
    for_model = await model_history(stores, run.slot, snapshot)
    whole = {message.id: message for message in for_model}
    history = [whole.get(message.id, message) for message in snapshot.history]
    injected, stream = latest_injected(history), stream_of(run.slot.organization, run.id)
    logged: list[LogEntry] = []
    if injected or lease.saved < lease.seq:
        logged = await stores.log.read(stream, 0 if injected else lease.saved)
    # A live message is stored first and announced afterwards, so a process may have died in between.
    announced = frozenset(one.event["messageId"] for one in logged if one.type == "injected")
    after = [one for one in logged if one.seq > lease.saved]
    nested, asked = await asyncio.gather(
        _nested_work(stores, run, definition), _asked_calls(stores, run, after)
    )
    return Stored(run, lease, definition, history, after, announced, for_model, nested, asked)


async def _nested_work(stores: Stores, run: Run, definition: RunDefinition) -> NestedWork:
    if definition.kind == "agent" and not asked_by(definition.agent):
        return NestedWork()
    return await stores.nested_work.of_run(run.slot, run.id)


async def _asked_calls(stores: Stores, run: Run, logged: Sequence[LogEntry]) -> frozenset[str]:
    if not any(one.type == "approval_requested" for one in logged):
        return frozenset()
    return frozenset(call.call_id for call in await stores.approvals.of_run(run.slot, run.id))


def latest_injected(history: list[StoredMessage]) -> list[StoredMessage]:
    """Return the live messages to which the agent has not replied yet."""
    found: list[StoredMessage] = []
    for message in reversed(history):
        if not message.injected:
            break
        found.insert(0, message)
    return found


async def take_over(stores: Stores, stored: Stored) -> RunSession | None:
    """Take over the run, and return its session in this process, or None if another process was faster."""
    run, record = replace(stored.run, state="running"), stored.lease_record
    progress = Progress.of(record.progress).resumed(stores.clock())
    # A stored turn is part of the progress. Counting its events again would charge for it twice.
    logged = [] if stored.open_calls or not run.model else stored.logged
    budget = budget_of(stored.definition.agent.limits, run.model, progress, stored.for_model, logged)
    progress = with_usage(progress, budget)
    attempts = record.attempts + stored.died
    # Clients of a dead process may have seen any number up to the reserved one. A process that parks a run
    # uses none beyond the log.
    first = number(record.reserved if stored.died else record.seq, stored.first_events())
    lease = await stores.takeovers.take_over(run, record, new_id("env"), first, progress, attempts)
    if lease is None:
        return None
    session = RunSession(
        stores,
        lease,
        budget,
        # Live messages are accepted while nobody holds the run, so even its first step has to check.
        pending_live_messages=True,
        continuable=True,
        unanswered=stored.open_calls,
        elapsed_ms=stores.clock() - from_iso(run.started_at) - progress.paused_ms,
    )
    session.asks = True
    session.answer += stored.answer
    session.restore_steps(stored.steps_under_way())
    if stored.run.state != "running":
        session.bus.resumed(stored.run.state)
    return session
