"""A run under way: its events, its messages, and its steps.

The loop's events go to the client's feed at once and to the log beside it: a pump writes what has come
every 0.1 to 0.5 s in one transaction that also renews the lease and notices a stop. A turn of the model is
stored before its tools start, and each result as it comes, with the log up to there.
`event_buffer` numbers the events, `lease_writer` writes them with the messages, `live_messages` drains the
queue of those that come meanwhile.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Literal

from millrace.agent.budget import Budget
from millrace.agent.history import open_calls
from millrace.agent.model import Block
from millrace.agent.suspension import Suspended
from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.ids import new_id
from millrace.domain.runs import StopReason
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError, Unavailable
from millrace.services.runs.event_buffer import EventBuffer, pieces
from millrace.services.runs.event_feed import EventFeed
from millrace.services.runs.lease_writer import LeaseWriter
from millrace.services.runs.live_messages import LiveMessages
from millrace.services.runs.lost_usage import with_usage
from millrace.services.runs.queue_delay import queue_delay
from millrace.services.runs.run_events import RunEvents
from millrace.services.runs.steps import StepLog
from millrace.stores.connect import Stores
from millrace.stores.dynamo import TransactItem
from millrace.stores.lease_record import Lease, LeaseLost, Stopping

MOST_PER_EVENT = 10
"""More bus events than one event of the log leads to: a process that has taken a run over numbers its own
above all that were sent before."""
FIRST_FLUSH, SLOWEST_FLUSH, CHECK_EVERY, PUBLISH_EVERY = 0.1, 0.5, 0.5, 0.25


class RunWork:
    """The events, the messages and the steps of a run; `RunSession` adds how it ends or leaves."""

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
        """`continuable`: another process can go on with the run. The last three are of the run's earlier
        processes: the calls without a result, and the time that it has taken."""
        self.event_feed = EventFeed()
        self.continuable = continuable
        self.hand_over_at = float("inf")
        self.abandoned = False
        self.budget = budget
        self.lease = lease
        self.run = lease.run
        self.answer: list[str] = []
        self.ended = False
        self.broken: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self.stop_asked: asyncio.Future[StopReason | Literal["lost"]] = (
            asyncio.get_running_loop().create_future()
        )
        self.bus = RunEvents(stores.bus, lease.run, stores.clock, MOST_PER_EVENT * lease.seq)
        self._stores = stores
        self._steps = StepLog()
        self._events = EventBuffer(lease, self._hand_out)
        self._writer = LeaseWriter(stores, lease, self._events)
        self._live = LiveMessages(
            stores.injections,
            lease.run,
            self._writer,
            self.emit,
            pending_live_messages,
            drained=lease.drained,
        )
        self._open_calls = set(unanswered)
        self._wake = asyncio.Event()
        self._began = time.monotonic() - elapsed_ms / 1000

    async def over(self) -> None:
        """Waits until everything of the run is stored and told."""
        if self.task is not None:
            await asyncio.shield(self.task)

    def leave(self) -> None:
        """The client that has begun the run reads no more."""
        self.lease.attended = False
        self.event_feed.close()

    # --- events ------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """The run's sink: numbers an event, hands it to the client and keeps it for the log."""
        if self.ended or self.abandoned:
            return
        for piece in pieces(event):
            self._events.add(piece)

    def _hand_out(self, logged: LogEntry) -> None:
        self.event_feed.put(logged)
        if logged.type != "token":
            self.bus.watch(logged.event)
            self._steps.watch(logged.event)
        elif "parent" not in logged.event:
            self.answer.append(logged.event["token"])
            self.bus.tokens += 1
        else:
            self._steps.watch(logged.event)

    def note_step(self, event: Event) -> None:
        """Keeps an event for the history that an earlier process has emitted without a message to hold it."""
        self._steps.watch(event)

    async def pump(self) -> None:
        """Writes the log and looks for a stop until the run ends or is to end."""
        wait, checked = FIRST_FLUSH, time.monotonic()
        while not self.stop_asked.done():
            since = self._writer.since_write
            await self._pause(wait - since if since < wait else wait)
            since = self._writer.since_write
            if self._writer.has_results:
                await self._ask_to_stop(self._writer.save_results)
            elif since < wait * 0.9:
                continue  # a step was stored meanwhile, and the log with it
            elif self._events.pending:
                wait = min(wait * 1.5, SLOWEST_FLUSH)
                await self._ask_to_stop(self._flush)
            elif min(since, time.monotonic() - checked) >= CHECK_EVERY:
                wait = FIRST_FLUSH
                checked = time.monotonic()
                await self._ask_to_stop(self._check_lease)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next flush, or for a result that is to be stored at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def publish(self) -> None:
        """Puts the run's story on the bus, beside everything else: a slow bus holds up nothing."""
        while True:
            await asyncio.sleep(PUBLISH_EVERY)
            if self.bus.beat(self.budget.cost):
                await self.bus.flush()

    async def _ask_to_stop(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except Stopping as stop:
            self._stop(stop.reason)
        except LeaseLost:
            self._stop("lost")
        except Unavailable:
            if self._writer.expired:
                self._stop("lost")
        except Exception as error:  # what the store refuses once it refuses always
            self.broken = error
            self._stop("lost")

    def _stop(self, reason: StopReason | Literal["lost"]) -> None:
        if not self.stop_asked.done():
            self.stop_asked.set_result(reason)

    async def _check_lease(self) -> None:
        async with self._writer.lock:
            if not self.ended:
                await self._writer.check()

    async def _flush(self) -> None:
        async with self._writer.lock:
            if not self.ended:
                await self._writer.write()

    def lease_check(self) -> TransactItem:
        """The part of a transaction that refuses it once this run has lost its lease."""
        return self._stores.leases.lease_check(self.lease)

    # --- steering ----------------------------------------------------------------------------------

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """Keeps a message for the next write, with the steps that led to it. The run's final answer has the
        id that `start` announced."""
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
            self._note_progress()
            if self._open_calls:  # else the loop stores it before it asks the model
                self._wake.set()
        return message

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
        """Has the next write store what the run has used up to the message that was kept."""
        self.lease.progress = replace(with_usage(self.lease.progress, self.budget), queued=0)

    async def store(self, not_begun: Collection[str] | None = None) -> None:
        """See `agent.control.RunControl`."""
        if not_begun is not None:
            self.lease.progress = replace(self.lease.progress, not_begun=tuple(not_begun))
        async with self._writer.lock:
            if not self.ended and (self._writer.unsaved or self.lease.progress != self._writer.stored):
                await self._writer.save_step()

    async def store_work(self, *work: TransactItem) -> None:
        """Stores a step of a run that keeps its results itself (a flow), with the log up to there."""
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
        """See `agent.control.RunControl`. The messages that it stands for are stored before."""
        await self.store()
        async with self._writer.lock:
            if not (self.ended or self.abandoned):
                await self._writer.keep_summary(summary)

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """Drains the queue of live messages into the history."""
        return await self._live.drain(iteration)

    def elapsed_seconds(self) -> float:
        """The time that the run has taken over all of its processes, without what people took."""
        return time.monotonic() - self._began

    def _duration_ms(self) -> int:
        return round(self.elapsed_seconds() * 1000)
