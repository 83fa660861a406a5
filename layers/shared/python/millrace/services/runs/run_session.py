"""A run under way: its events, its messages, and everybody who may end it.

The loop's events go to the client's outbox at once and to the log beside it: a pump writes what has come
every 0.1 to 0.5 s in one transaction that also renews the lease and notices a stop. `done` waits for the log.
`event_buffer` numbers the events, `lease_writer` writes them with the messages, `live_messages` drains the
queue of those that come meanwhile.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from millrace.agent.budget import Budget
from millrace.agent.model import Block
from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.ids import new_id
from millrace.domain.runs import Run, RunState, StopReason
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.event_buffer import EventBuffer, pieces
from millrace.services.runs.event_feed import EventFeed
from millrace.services.runs.lease_writer import LeaseWriter
from millrace.services.runs.live_messages import LiveMessages
from millrace.services.runs.outcome import with_outcome
from millrace.services.runs.run_events import RunEvents, deleted
from millrace.services.runs.steps import StepLog
from millrace.stores.connect import Stores
from millrace.stores.dynamo import TransactItem
from millrace.stores.event_log import encode
from millrace.stores.lease_record import Lease, LeaseLost, Stopping
from millrace.stores.run_ends import LiveMessagesPending

FIRST_FLUSH, SLOWEST_FLUSH, CHECK_EVERY, PUBLISH_EVERY = 0.1, 0.5, 0.5, 0.25


class RunSession:
    """The steering of a conversation's run (see `agent.loop.RunControl`) and the owner of its lease."""

    def __init__(
        self, stores: Stores, lease: Lease, budget: Budget, pending_live_messages: bool = False
    ) -> None:
        self.event_feed = EventFeed()
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
        self.bus = RunEvents(stores.bus, lease.run, stores.clock)
        self._stores = stores
        self._steps = StepLog()
        self._events = EventBuffer(lease, self._hand_out)
        self._writer = LeaseWriter(stores, lease, self._events)
        self._live = LiveMessages(
            stores.injections, lease.run, self._writer, self.emit, pending_live_messages
        )
        self._began = time.monotonic()

    async def over(self) -> None:
        """Waits until everything of the run is stored and told."""
        if self.task is not None:
            await asyncio.shield(self.task)

    # --- events ------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """The run's sink: numbers an event, hands it to the client and keeps it for the log."""
        if self.ended:
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

    async def pump(self) -> None:
        """Writes the log and looks for a stop until the run ends or is to end."""
        wait, checked = FIRST_FLUSH, time.monotonic()
        while not self.stop_asked.done():
            await asyncio.sleep(wait)
            if self._events.pending:
                wait = min(wait * 1.5, SLOWEST_FLUSH)
                checked = time.monotonic()
                await self._ask_to_stop(self._flush)
            elif time.monotonic() - checked >= CHECK_EVERY:
                wait = FIRST_FLUSH
                checked = time.monotonic()
                await self._ask_to_stop(self._check_lease)

    async def publish(self) -> None:
        """Puts the run's story on the bus, beside everything else: a slow bus holds up nothing."""
        while True:
            await asyncio.sleep(PUBLISH_EVERY)
            if self.bus.beat(self.budget.cost):
                await self.bus.flush()

    async def _ask_to_stop(self, step: Callable[[], Awaitable[None]]) -> None:
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
        message = StoredMessage(
            id=new_id("msg"),
            role=role,
            content=content,
            created_at=iso(self._stores.clock()),
            run_id=self.run.id,
            interrupted=interrupted,
            steps=self._steps.drain(),
            visibility=self.run.visibility,
        )
        self._writer.keep(message)
        return message

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """Drains the queue of live messages into the history."""
        return await self._live.drain(iteration)

    async def may_end(self, reason: str) -> bool:
        """Ends the run unless a live message that was accepted still waits."""
        accepted = self._live.drained
        while True:
            try:
                await self.end("completed", self.done(reason), accepted=accepted)
                return True
            except LiveMessagesPending as more:
                if await self._live.some_wait():
                    return False
                accepted = more.accepted  # withdrawn or expired: nothing to wait for

    # --- the end -----------------------------------------------------------------------------------

    def done(self, reason: str) -> Event:
        """The last event of a run that ends well now."""
        budget = self.budget
        return events.done(self.run.message_id, budget.usage(), budget.cost, reason, self._duration_ms())

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    async def stop(self, reason: str) -> None:
        """Ends the run whatever waits, keeping what was said: asked to, or at a limit."""
        state: RunState = "stopped" if reason in ("stopped", "interrupted") else "completed"
        await self.end(state, self.done(reason))

    async def fail(self, message: str, code: str, retryable: bool) -> None:
        """Ends the run with an error."""
        await self.end("failed", events.error(message, code, retryable))

    async def cut_off(self) -> None:
        """Tells the client that somebody else has ended the run: its conversation was deleted, or it was
        given up for lost. Nothing is written: what the log says holds. What a deleted run has used is told
        all the same, without a word of what it said."""
        if self.ended:
            return
        self.ended = True
        last = events.error("The run was given up by another process.", "run_lost", True)
        if await self._is_deleted():
            last = events.deleted()
            self.bus.ended(deleted(self._ended_run("stopped", last)), "")
        # Without a number: those that are reserved are for events of the log.
        self.event_feed.put(encode(0, last))

    async def _is_deleted(self) -> bool:
        with contextlib.suppress(MillraceError):
            return await self._stores.deletions.is_deleted(self.run.slot.root())
        return False

    async def fail_to_end(self, error: Exception) -> None:
        """Ends a run whose end the store did not take. What was refused is not sent again: messages and
        events go without what is large. Where the store does not answer, the client alone is told, and the
        run is given up for lost when its lease is over."""
        if self.ended:
            return
        last = events.error("The end of the answer could not be stored.", "not_stored", True)
        if not isinstance(error, Unavailable):
            self._writer.shorten()
            with contextlib.suppress(Exception):
                return await self.end("failed", last)
        self.ended = True
        self.event_feed.put(encode(0, last))

    async def end(self, state: RunState, last: Event, *, accepted: int | None = None) -> None:
        """Writes the last event, the messages and the run's final state in one transaction, then tells the
        client. With `accepted` see `RunEndStore.end`."""
        ending = accepted is None
        async with self._writer.lock:
            while not self._events.fits_one_write():
                await self._writer.write(ending=ending)
            await self._writer.save_ahead([], ending=ending)
            final = encode(self._events.seq + 1, last)
            run = replace(self._ended_run(state, last), last_seq=final.seq)
            with self._events.closing():
                batch = [*self._events.unlogged, final]
                messages = with_outcome(self._writer.unsaved, run, self._steps.pending())
                await self._writer.end(run, batch, messages, accepted)
            self.ended, self.run = True, run
        self.event_feed.put(final)
        self.bus.ended(run, "".join(self.answer))

    def _ended_run(self, state: RunState, last: Event) -> Run:
        shown = events.error_facts(last) if last["type"] == "error" else None
        return replace(
            self.run,
            state=state,
            ended_at=iso(self._stores.clock()),
            finish_reason=last.get("finishReason", "error"),
            usage=self.budget.usage(),
            cost=self.budget.cost,
            error=shown,
            duration_ms=last.get("durationMs", self._duration_ms()),
        )
