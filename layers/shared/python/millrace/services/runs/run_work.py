"""A run's work: its messages, its steps, and those of the agents that work for it.

A model turn is stored before its tools start, and each result as it arrives, together with the log.
`live_messages` drains the queue of messages that arrive meanwhile.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Literal, TypeVar

from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.agent.history import open_calls
from millrace.agent.model import Block
from millrace.agent.suspension import Suspended
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage, WorkPosition
from millrace.domain.events import Event
from millrace.domain.ids import new_id
from millrace.domain.runs import NO_TOKEN
from millrace.domain.summaries import Summary
from millrace.errors import MillraceError, ProviderError
from millrace.services.runs.live_messages import LiveMessages
from millrace.services.runs.lost_usage import with_usage
from millrace.services.runs.queue_delay import queue_delay
from millrace.services.runs.run_pump import RunPump
from millrace.stores.connect import Stores
from millrace.stores.dynamo import TransactItem
from millrace.stores.lease_record import Lease, LeaseLost

T = TypeVar("T")
log = logging.getLogger(__name__)


class RunWork(RunPump):
    """The messages and the steps of a run; `RunSession` adds how it ends or leaves."""

    most_messages: int | None = 150  # a slot is read 200 messages back

    def __init__(
        self,
        stores: Stores,
        lease: Lease,
        budget: Budget,
        pending_live_messages: bool = False,
        *,
        continuable: bool = False,
        unanswered: Collection[str] = (),
        elapsed_ms: int = 0,
    ) -> None:
        """`continuable` means that another process can continue the run.

        `pending_live_messages`, `unanswered` and `elapsed_ms` come from earlier processes: whether messages
        may wait, the calls without a result, and the time that the run has taken.
        """
        super().__init__(stores, lease, budget)
        self.continuable = continuable
        self.hand_over_at = float("inf")
        self._live = LiveMessages(
            stores.injections,
            lease.run,
            self._writer,
            self.emit,
            pending_live_messages,
            drained=lease.drained,
        )
        self.asks = False
        self.nests = False
        self._open_calls = set(unanswered)
        self._covered: dict[str, int] = {}
        self._began = time.monotonic() - elapsed_ms / 1000
        # A process of an earlier release may have sent a token without recording it.
        self._unknown_before = lease.progress.iterations > 0 and lease.progress.first_token_ms is None

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """Keep a message for the next write, with the steps that led to it.

        The run's final answer gets the id that `start` announced.
        """
        self._open_calls = set() if role == "user" else set(open_calls(content))
        message = self._message(role, content, self._steps.drain(), interrupted)
        if not self.abandoned:
            self._writer.keep(message)
            self._note_progress()
        return message

    def add_result(self, block: Block) -> StoredMessage:
        """See `agent.control.RunControl`."""
        call_id = block["toolResult"]["toolUseId"]
        self._open_calls.discard(call_id)
        message = self._message("user", [block], self._steps.take_of(call_id))
        if not self.abandoned:
            self._writer.keep_result(message, complete=not self._open_calls)
            self._note_answered(call_id)
            if self._open_calls:  # otherwise the loop stores it before it asks the model
                self._wake.set()
        return message

    def _note_answered(self, call_id: str) -> None:
        """Have the next write store that a call has its result."""
        self._announced.pop(call_id, None)
        waiting = [one for one in self.lease.progress.not_begun if one != call_id]
        self.lease.progress = replace(self.lease.progress, not_begun=tuple(waiting))
        self._note_progress()

    def nested_message(
        self,
        position: WorkPosition,
        parent: str,
        role: Literal["user", "assistant"],
        content: list[Block],
        *,
        interrupted: bool = False,
    ) -> StoredMessage:
        """Return a message of an agent that works for this run's agent; its events have the tag `parent`."""
        position = replace(position, announced=self._events.last_number)
        steps = self._steps.copy_of(parent)
        return replace(self._message(role, content, steps, interrupted), position=position)

    def keep_nested(self, message: StoredMessage, parent: str, answered: str = "") -> None:
        """Keep a nested message for the next write. A result of the call `answered` is stored immediately."""
        if self.abandoned or message.position is None:
            return
        self.nests = True
        self._covered[parent] = message.position.announced
        complete = self._all_covered()
        if answered:
            self._writer.keep_result(message, complete=complete)
            self._note_answered(answered)
            self._wake.set()
        else:
            self._writer.keep(message, complete=complete)
            self._note_progress()

    def _all_covered(self) -> bool:
        """Return whether the kept messages contain everything that the working agents have sent.

        If so, a process that takes over has nothing to revoke.
        """
        return all(announced <= self._covered.get(parent, 0) for parent, announced in self._announced.items())

    def _message(
        self,
        role: Literal["user", "assistant"],
        content: list[Block],
        steps: list[Event],
        interrupted: bool = False,
    ) -> StoredMessage:
        return StoredMessage(
            id=new_id("msg"),
            role=role,
            content=content,
            created_at=iso(self._stores.clock()),
            run_id=self.run.id,
            interrupted=interrupted,
            steps=steps,
            visibility=self.run.visibility,
        )

    def _note_progress(self) -> None:
        """Have the next write store the run's usage up to the last kept message."""
        used = with_usage(self.lease.progress, self.budget)
        first = self.first_token_ms()
        none_yet = first is None and self.first_token_at is None and not self._unknown_before
        self.lease.progress = replace(used, queued=0, first_token_ms=NO_TOKEN if none_yet else first)

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        """See `agent.control.RunControl`."""
        progress = self.lease.progress
        kept = [one for one in progress.not_begun if one not in begin and one not in wait]
        self.lease.progress = replace(progress, not_begun=(*kept, *wait))
        async with self._writer.lock:
            unsaved = self._writer.unsaved or self._writer.asked
            if not self.ended and (unsaved or self.lease.progress != self._writer.stored):
                await self._writer.save_step()

    def restore_steps(self, steps: Sequence[Event]) -> None:
        """Restore the steps of other agents' work that an earlier process has stored."""
        self.nests = bool(steps)
        self._steps.restore(steps)

    async def store_results(self) -> None:
        """Store the tool results that are kept."""
        if self._writer.has_results:
            await self._writer.save_results()

    def ask(self, call: WaitingCall) -> None:
        """Let a call wait from the next write of a step on, from which it can be answered."""
        self.asks = True
        self._writer.asked.append(call)

    async def keep_agents(self, agents: Collection[Agent]) -> None:
        """Store the agents that this one may ask. Raises `LeaseLost` or `Unavailable`."""
        self.nests = True
        run, store = self.run, self._stores.nested_work
        async with self._writer.lock:
            if not self.ended:
                await self._writer.write_beside(
                    lambda check: store.keep_agents(check, run.slot, run.id, agents)
                )

    async def write_values(self, write: Callable[[TransactItem], Awaitable[T]]) -> T:
        """Write values of an agent under the run's lease (see `LeaseWriter.write_beside`).

        Raises `LeaseLost` or `Unavailable`.
        """
        async with self._writer.lock:
            if self.ended:
                raise LeaseLost(self.run.id)
            return await self._writer.write_beside(write)

    async def store_work(self, *work: TransactItem) -> None:
        """Store a step of a run that keeps its results elsewhere (a flow), with the log up to it."""
        self._note_progress()
        async with self._writer.lock:
            if not self.ended:
                await self._writer.save_work(work)

    def check_time(self) -> None:
        """See `agent.control.RunControl`."""
        if time.monotonic() > self.hand_over_at:
            raise Suspended("handed_over")

    def postpone(self, error: ProviderError) -> None:
        """See `agent.control.RunControl`."""
        if not self.continuable:
            return
        queued = self.lease.progress.queued
        delay = queue_delay(error, queued)
        if self.elapsed_seconds() + delay < self.budget.limits.max_seconds:
            self.lease.progress = replace(self.lease.progress, queued=queued + 1)
            self.emit(events.status(f"{error.message} Trying again in {delay:.0f} s.", "⏳"))
            raise Suspended("queued", delay)

    async def keep_summary(self, summary: Summary) -> None:
        """See `agent.control.RunControl`. The messages that the summary stands for are stored first."""
        await self.store()
        async with self._writer.lock:
            if not (self.ended or self.abandoned):
                await self._writer.keep_summary(summary)

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """Drain the queue of live messages into the history."""
        return await self._live.drain(iteration)

    async def limit_reached(self, agent_id: str) -> str | None:
        """See `agent.control.RunControl`. Limits that cannot be read delay nobody."""
        # The run's agent was checked when the run began, but not the agents of a flow's steps.
        if self.spending.begins() and agent_id == self.run.agent_id:
            return None
        try:
            if await self.spending.stopped(agent_id):
                return "stopped"
            found = await self.spending.reached()
        except MillraceError:
            log.warning("the limits of run %s cannot be checked", self.run.id, exc_info=True)
            return None
        if found is None:
            return None
        self.emit(events.status(found.describe(), "⛔"))
        return found.finish_reason

    def elapsed_seconds(self) -> float:
        """Return the time that the run has taken in all of its processes, without waiting for people."""
        return time.monotonic() - self._began

    def first_token_ms(self) -> int | None:
        """Return the time from the run's start to the first token of its answer, or None if it was not
        recorded."""
        known, at = self.lease.progress.time_to_first_token(), self.first_token_at
        if known is not None:
            return known
        return None if at is None or self._unknown_before else round((at - self._began) * 1000)

    def _duration_ms(self) -> int:
        return round(self.elapsed_seconds() * 1000)
