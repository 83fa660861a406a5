"""A run's events on their way to clients and the log.

The loop's events go to the client's feed immediately. A concurrent pump writes them to the log every 0.1 to
0.5 s, in one transaction that also renews the lease and detects a stop. `event_buffer` numbers the events,
and `lease_writer` writes them with the messages.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from millrace.agent.budget import Budget
from millrace.domain.events import Event, LogEntry
from millrace.domain.runs import StopReason
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.event_buffer import EventBuffer
from millrace.services.runs.event_feed import EventFeed
from millrace.services.runs.lease_writer import LeaseWriter
from millrace.services.runs.run_events import RunEvents
from millrace.services.runs.spending import Spending
from millrace.services.runs.steps import StepLog
from millrace.stores.connect import Stores
from millrace.stores.dynamo import TransactItem
from millrace.stores.lease_record import Lease, LeaseLost, Stopping

MOST_PER_EVENT = 10
"""More bus events than one event of the log can cause.

After a takeover, a process numbers its bus events above all that were sent before.
"""
STOPS_EVERY = 5.0
FIRST_FLUSH, SLOWEST_FLUSH, CHECK_EVERY, PUBLISH_EVERY = 0.1, 0.5, 0.5, 0.25


class RunPump:
    """The events of a run; `RunWork` adds its messages and steps."""

    def __init__(self, stores: Stores, lease: Lease, budget: Budget) -> None:
        self.event_feed = EventFeed()
        self.abandoned = False
        self.budget = budget
        self.lease = lease
        self.run = lease.run
        self.answer: list[str] = []
        self.first_token_at: float | None = None
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
        self._announced: dict[str, int] = {}
        self._wake = asyncio.Event()
        self.spending = Spending.of(stores.limits, lease, budget)

    async def over(self) -> None:
        """Wait until everything of the run is stored and published."""
        if self.task is not None:
            await asyncio.shield(self.task)

    def leave(self) -> None:
        """Record that the client that began the run has stopped reading."""
        self.lease.attended = False
        self.event_feed.close()

    # --- events ------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """The run's sink: number an event, send it to the client and keep it for the log."""
        if not (self.ended or self.abandoned):
            self._events.add(event)

    def _hand_out(self, logged: LogEntry) -> None:
        self.event_feed.put(logged)
        nested = "parent" in logged.event
        if logged.type == "token" and not nested:
            if not self.answer:
                self.first_token_at = time.monotonic()
            self.answer.append(logged.event["token"])
            self.bus.tokens += 1
            return
        if logged.type != "token":
            self.bus.watch(logged.event)
        self._steps.watch(logged.event, time.monotonic())
        if nested:
            self._announced[logged.event["parent"]] = logged.seq

    def note_step(self, event: Event) -> None:
        """Keep an event for the history that an earlier process emitted without a message for it."""
        self._steps.watch(event)

    async def pump(self) -> None:
        """Write the log and check for a stop until the run ends or has to end."""
        wait, checked = FIRST_FLUSH, time.monotonic()
        while not self.stop_asked.done():
            since = self._writer.since_write
            await self._pause(wait - since if since < wait else wait)
            since = self._writer.since_write
            if self._writer.has_results:
                await self._ask_to_stop(self._writer.save_results)
            elif since < wait * 0.9:
                continue  # a step was stored in the meantime, and the log with it
            elif self._events.pending:
                wait = min(wait * 1.5, SLOWEST_FLUSH)
                await self._ask_to_stop(self._flush)
            elif min(since, time.monotonic() - checked) >= CHECK_EVERY:
                wait = FIRST_FLUSH
                checked = time.monotonic()
                await self._ask_to_stop(self._check_lease)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next flush, or for a result that has to be stored immediately."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def publish(self) -> None:
        """Put the run's events on the bus, concurrently with everything else, so that a slow bus delays
        nothing.

        Ends the run if its agent or the organization is stopped.
        """
        looked = float("-inf")
        while True:
            await self.bus.wait(PUBLISH_EVERY)
            if time.monotonic() - looked > STOPS_EVERY:
                looked = time.monotonic()
                await self._look_for_stops()
            if self.bus.beat(self.budget.cost):
                await self.bus.flush()

    async def _look_for_stops(self) -> None:
        with contextlib.suppress(MillraceError):  # it is checked again
            if await self.spending.stopped():
                self._stop("stopped")

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
        except Exception as error:  # an error that the store would always return
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

    def writes_wait(self) -> AbstractAsyncContextManager[None]:
        """Let nothing of the run be written inside the block."""
        return self._writer.lock

    def lease_check(self) -> TransactItem:
        """Return a condition for a transaction: this run still holds its lease."""
        return self._stores.leases.lease_check(self.lease)
