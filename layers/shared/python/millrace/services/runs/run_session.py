"""A run under way: its events, its lease, its messages, and everybody who may end it.

The loop's events go to the client's outbox at once and to the log beside it: a pump writes what has come
every 0.1 to 0.5 s in one transaction that also renews the lease and notices a stop. `done` waits for the log.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal

from millrace.agent.budget import Budget
from millrace.agent.model import Block
from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, Logged
from millrace.domain.ids import new_id
from millrace.domain.runs import LEASE_MS, MAX_WAITING, Run, RunState, StopReason
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.event_buffer import EventBuffer
from millrace.services.runs.outbox import Outbox
from millrace.services.runs.outcome import with_outcome
from millrace.services.runs.run_events import RunEvents, deleted
from millrace.services.runs.steps import StepLog
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed, TransactItem
from millrace.stores.event_log import encode
from millrace.stores.injections import Injection
from millrace.stores.lease_record import Held, LeaseLost, Stopping
from millrace.stores.message_items import shortened
from millrace.stores.messages import head_bytes
from millrace.stores.run_ends import Injected

FIRST_FLUSH, SLOWEST_FLUSH, LOOK_EVERY, TELL_EVERY = 0.1, 0.5, 0.5, 0.25
RENEW_AFTER = LEASE_MS / 3000
TAKEN_AT_ONCE = 16
UNSAVED_MESSAGES = 10
SAVED_AT_ONCE, SAVED_BYTES = 32, 1_000_000
"""The most messages, and the most bytes of them without their parts, that one transaction stores. With the
events of one flush and the live messages taken, that is below DynamoDB's 100 items and 4 MB."""
PIECE = 240_000
"""The most characters of one token or thought: each may take six bytes in JSON, and an event has 1.5 MB."""
RETRY_SECONDS = 0.5
END_TRIES = 40
"""Of writing a run's end: 20 seconds and more, as long as its lease may last."""


class RunSession:
    """The steering of a conversation's run (see `agent.loop.Steering`) and the owner of its lease."""

    def __init__(self, stores: Stores, held: Held, budget: Budget, leftovers: bool = False) -> None:
        self.outbox = Outbox()
        self.budget = budget
        self.held = held
        self.run = held.run
        self.answer: list[str] = []
        self.ended = False
        self.broken: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self.stop_asked: asyncio.Future[StopReason | Literal["lost"]] = (
            asyncio.get_running_loop().create_future()
        )
        self.bus = RunEvents(stores.bus, held.run, stores.clock)
        self._stores = stores
        self._steps = StepLog()
        self._events = EventBuffer(held, self._hand_out)
        self._unsaved: list[StoredMessage] = []
        self._covers: dict[str, int] = {}  # by message, the last event whose text it holds
        self._taken = 0
        self._look_at_once = leftovers
        self._lock = asyncio.Lock()
        self._began = time.monotonic()
        self._last_write = time.monotonic()

    async def over(self) -> None:
        """Waits until everything of the run is stored and told."""
        if self.task is not None:
            await asyncio.shield(self.task)

    # --- events ------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """The run's sink: numbers an event, hands it to the client and keeps it for the log."""
        if self.ended:
            return
        name = _TEXTS.get(event["type"])
        if name and len(event[name]) > PIECE:
            return self._emit_pieces(event, name)
        self._events.add(event)

    def _hand_out(self, logged: Logged) -> None:
        self.outbox.put(logged)
        if logged.type != "token":
            self.bus.watch(logged.event)
            self._steps.watch(logged.event)
        elif "parent" not in logged.event:
            self.answer.append(logged.event["token"])
            self.bus.tokens += 1
        else:
            self._steps.watch(logged.event)

    def _emit_pieces(self, event: Event, name: str) -> None:
        text = event[name]
        for at in range(0, len(text), PIECE):
            self.emit(event | {name: text[at : at + PIECE]})

    async def pump(self) -> None:
        """Writes the log and looks for a stop until the run ends or is to end."""
        wait, looked = FIRST_FLUSH, time.monotonic()
        while not self.stop_asked.done():
            await asyncio.sleep(wait)
            if self._events.pending:
                wait = min(wait * 1.5, SLOWEST_FLUSH)
                looked = time.monotonic()
                await self._ask_to_stop(self._flush)
            elif time.monotonic() - looked >= LOOK_EVERY:
                wait = FIRST_FLUSH
                looked = time.monotonic()
                await self._ask_to_stop(self._look)

    async def tell(self) -> None:
        """Puts the run's story on the bus, beside everything else: a slow bus holds up nothing."""
        while True:
            await asyncio.sleep(TELL_EVERY)
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
            if time.monotonic() - self._last_write > LEASE_MS / 1000:
                self._stop("lost")
        except Exception as error:  # what the store refuses once it refuses always
            self.broken = error
            self._stop("lost")

    def _stop(self, reason: StopReason | Literal["lost"]) -> None:
        if not self.stop_asked.done():
            self.stop_asked.set_result(reason)

    async def _look(self) -> None:
        async with self._lock:
            if self.ended:
                return
            if time.monotonic() - self._last_write > RENEW_AFTER:
                await self._write([])
            else:
                await self._stores.leases.check(self.held)

    async def _flush(self) -> None:
        async with self._lock:
            if not self.ended:
                await self._write(self._events.next_batch())

    async def _write(
        self,
        batch: list[Logged],
        messages: list[StoredMessage] | None = None,
        takes: Any = None,
        *,
        ending: bool = False,
    ) -> None:
        """One write under the lease; the caller holds the lock. Repeating it after an answer that was lost is
        harmless, so an outage is waited out here as long as the lease lasts."""
        while True:
            try:
                await self._stores.leases.write(
                    self.held,
                    batch,
                    messages,
                    takes,
                    numbered=self._events.seq,
                    saved=max((self._covers.get(one.id, 0) for one in messages or []), default=0),
                    ending=ending,
                )
                break
            except Unavailable:
                if time.monotonic() - self._last_write > LEASE_MS / 1000:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
        self._last_write = time.monotonic()
        self._events.written(batch)

    def held_check(self) -> TransactItem:
        """The part of a transaction that refuses it once this run has lost its lease."""
        return self._stores.leases.held_check(self.held)

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
            steps=self._steps.take(),
            visibility=self.run.visibility,
        )
        self._unsaved.append(message)
        self._covers[message.id] = self._events.last_number
        return message

    async def take(self, iteration: int) -> list[StoredMessage]:
        """Drains the queue of live messages into the history: one read, and a write only when some wait. The
        first iteration needs no read: what was left over was looked for before the run began."""
        if iteration == 1 and not self._look_at_once:
            return []
        fresh, expired = await self._stores.injections.waiting(self.run.slot)
        taken: list[StoredMessage] = []
        withdrawn = 0
        while fresh or expired:
            batch, gone = fresh[:TAKEN_AT_ONCE], expired[:TAKEN_AT_ONCE]
            fresh, expired = fresh[TAKEN_AT_ONCE:], expired[TAKEN_AT_ONCE:]
            try:
                taken += await self._take_batch(batch, gone, iteration)
            except ConditionFailed:  # one was withdrawn meanwhile: look again
                withdrawn += 1
                if withdrawn > MAX_WAITING:
                    raise
                fresh, expired = await self._stores.injections.waiting(self.run.slot)
        if len(self._unsaved) >= UNSAVED_MESSAGES:
            async with self._lock:
                await self._save([], [])
        return taken

    async def _take_batch(
        self, batch: list[Injection], gone: list[Injection], iteration: int
    ) -> list[StoredMessage]:
        live = [self._live_message(one) for one in batch]
        async with self._lock:
            await self._save(live, batch + gone)
        self._taken += len(batch) + len(gone)
        for one in batch:
            self.emit(events.injected(one.id, one.content, iteration))
        return live

    async def _save(self, live: list[StoredMessage], gone: list[Injection]) -> None:
        await self._save_ahead(live)
        messages = self._unsaved + live
        takes = self._stores.injections.takes(self.run.slot, gone)
        await self._write(self._events.next_batch(), messages, takes)
        del self._unsaved[: len(messages) - len(live)]

    async def _save_ahead(self, with_them: list[StoredMessage], *, ending: bool = False) -> None:
        """Saves of the kept messages so many that the rest fits into one transaction `with_them`."""
        while self._unsaved and not _fit(self._unsaved + with_them):
            first = self._unsaved[: max(1, _fitting(self._unsaved))]
            await self._write(self._events.next_batch(), first, ending=ending)
            del self._unsaved[: len(first)]

    def _live_message(self, one: Injection) -> StoredMessage:
        return StoredMessage(
            id=one.id,
            role="user",
            content=[{"text": one.content}],
            created_at=iso(one.created_ms),
            run_id=self.run.id,
            injected=True,
            visibility=self.run.visibility,
        )

    async def may_end(self, reason: str) -> bool:
        """Ends the run unless a live message that was accepted still waits."""
        accepted = self._taken
        while True:
            try:
                await self.end("completed", self._done(reason), accepted=accepted)
                return True
            except Injected as more:
                fresh, _ = await self._stores.injections.waiting(self.run.slot)
                if fresh:
                    return False
                accepted = more.accepted  # withdrawn or expired: nothing to wait for

    # --- the end -----------------------------------------------------------------------------------

    def duration_ms(self) -> int:
        """Since the run began."""
        return round((time.monotonic() - self._began) * 1000)

    def _done(self, reason: str) -> Event:
        budget = self.budget
        return events.done(self.run.message_id, budget.usage(), budget.cost, reason, self.duration_ms())

    async def stop(self, reason: str) -> None:
        """Ends the run whatever waits, keeping what was said: asked to, or at a limit."""
        state: RunState = "stopped" if reason in ("stopped", "interrupted") else "completed"
        await self.end(state, self._done(reason))

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
        self.outbox.put(encode(0, last))

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
            short = [replace(one, content=shortened(one.content), steps=[]) for one in self._unsaved]
            self._unsaved = short
            with contextlib.suppress(Exception):
                return await self.end("failed", last)
        self.ended = True
        self.outbox.put(encode(0, last))

    async def end(self, state: RunState, last: Event, *, accepted: int | None = None) -> None:
        """Writes the last event, the messages and the run's final state in one transaction, then tells the
        client. With `accepted` see `RunEndStore.end`."""
        ending = accepted is None
        async with self._lock:
            while not self._events.fits_one_write():
                await self._write(self._events.next_batch(), ending=ending)
            await self._save_ahead([], ending=ending)
            final = encode(self._events.seq + 1, last)
            run = self._ended_run(state, last)
            with self._events.closing():
                batch = [*self._events.unlogged, final]
                messages = with_outcome(self._unsaved, run, self._steps.pending())
                await self._end_once(run, batch, messages, accepted)
            self.ended, self.run = True, run
        self.outbox.put(final)
        self.bus.ended(run, "".join(self.answer))

    async def _end_once(
        self, run: Run, batch: list[Logged], messages: list[StoredMessage], accepted: int | None
    ) -> None:
        for attempt in range(END_TRIES):
            try:
                return await self._stores.run_ends.end(self.held, run, batch, messages, accepted=accepted)
            except Unavailable:
                if attempt == END_TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            except LeaseLost:
                if attempt and await self._is_ended(run.id):
                    return  # the write of an attempt whose answer was lost
                raise

    async def _is_ended(self, run_id: str) -> bool:
        stored = await self._stores.runs.get(self.run.slot.organization, run_id)
        return stored.ended_at is not None

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
            duration_ms=last.get("durationMs", self.duration_ms()),
        )


_TEXTS = {"token": "token", "thinking": "text"}
"""The fields of events that a model may make as long as it likes."""


def _fit(messages: list[StoredMessage]) -> bool:
    return _fitting(messages) == len(messages)


def _fitting(messages: list[StoredMessage]) -> int:
    """How many of these, from the first on, one transaction stores."""
    room = SAVED_BYTES
    for count, message in enumerate(messages[:SAVED_AT_ONCE]):
        room -= head_bytes(message)
        if room < 0:
            return count
    return min(len(messages), SAVED_AT_ONCE)
