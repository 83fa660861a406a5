"""A conversation's stream: the events of its runs, one run after the other, from any event on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

from msgspec import Struct

from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.clock import from_iso
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import MAX_SEQ, EventId
from millrace.domain.events import LogEntry
from millrace.domain.runs import LeaseRecord, Run
from millrace.errors import NotFound
from millrace.services.runs.access import authorize_run, check_access, note_access
from millrace.services.runs.follow import DEADLINE_MARGIN, follow, has_more
from millrace.stores.connect import Stores
from millrace.stores.event_log import encode, is_last
from millrace.stores.log_items import KEPT_SECONDS

FAST_POLL, SLOW_POLL = 0.2, 1.0
"""Seconds between checks of a conversation without an active run.

An hour at the slower pace costs $0.0005.
"""
IDLE_SECONDS = 300.0
"""A waiting stream ends after this time, and its client reconnects.

A function is not told when its client has disconnected, and every second of a function is billed.
"""
MOST_RUNS = 100


class Subscription(Struct):
    """A position in a conversation's runs, and the end of the stream, as far as the caller may read them.

    It ends before the first run that the caller may not read. `at` is the last event that the client has
    seen. `last` is the id of the run with which the stream ends (None: the next one to begin); with `endless`
    it includes all future runs. `existed` means that the conversation was seen, so if it is missing, it was
    deleted. `paused` means that the run waits for people; a client that reconnects gets what follows.
    """

    stores: Stores
    caller: Principal
    slot: Slot
    at: EventId
    last: str | None
    endless: bool
    deadline: float | None = None
    disconnected: Callable[[], Awaitable[bool]] | None = None
    over: bool = False
    paused: bool = False
    existed: bool = False

    @property
    def waiting(self) -> bool:
        """True if the stream begins between two runs, or before the first."""
        return self.at.run_id is None or self.at.seq == MAX_SEQ

    async def events(self) -> AsyncGenerator[tuple[Run | None, list[LogEntry]], None]:
        """Yield batches of events after `at`, each with its run.

        `over` is set if the stream ends for good, not for lack of time.
        """
        run = None if self.waiting else await self._read(self.at.run_id or "")
        while True:
            if run is not None:
                async with aclosing(self._follow(run)) as batches:
                    async for batch in batches:
                        yield run, batch
                if self.over or self.paused or self._is_late():
                    return
            run = await self._next()
            if run is None:
                if self.over:
                    yield None, [encode(0, events.deleted())]
                return
            self.at = EventId(run.id, 0)

    async def _follow(self, run: Run) -> AsyncGenerator[list[LogEntry], None]:
        ended = deleted = False
        async with aclosing(
            follow(self.stores, run, self.at.seq, self.deadline, stay=self.endless)
        ) as batches:
            async for batch in batches:
                last = batch[-1]
                self.at = EventId(run.id, last.seq)
                ended, deleted = is_last(last), last.event.get("code") == "deleted"
                self.paused = last.type == "waiting" and not self.endless
                yield batch
        if self.paused:
            return
        if ended or not self._is_late():  # otherwise it has ended for lack of time
            self.over = deleted or (not self.endless and self.last in (None, run.id))

    async def _next(self) -> Run | None:
        """Wait for the next run. Return None if the time is up, the client has disconnected, or it was
        deleted.

        `over` is set if the conversation was deleted.
        """
        began, wait = time.monotonic(), FAST_POLL
        while not self._is_late() and not (self.disconnected and await self.disconnected()):
            newest = (await self.stores.leases.peek(self.slot)).newest()
            if newest and newest != self.at.run_id:
                with suppress(NotFound):
                    return await self._first_up_to(newest)
                return None
            self.over = newest is None and await self._is_deleted()
            if self.over or time.monotonic() - began > IDLE_SECONDS:
                return None
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, SLOW_POLL)
        return None

    async def _is_deleted(self) -> bool:
        """Return whether an existing conversation was deleted. One with a run has a lease until then."""
        if self.at.run_id is not None:
            return True
        exists = await self.stores.conversations.find(self.slot.root()) is not None
        was_there, self.existed = self.existed, self.existed or exists
        return was_there and not exists

    async def _first_up_to(self, newest: str) -> Run:
        """Return the run that follows `at`, going back from the newest as far as logs are kept."""
        run = await self._read(newest)
        for _ in range(MOST_RUNS):
            if run.previous_id in (None, self.at.run_id):
                break
            try:
                before = await self._read(run.previous_id or "")
            except NotFound:
                break
            if before.ended_at and self.stores.clock() - from_iso(before.ended_at) > 1000 * KEPT_SECONDS:
                break
            run = before
        return run

    async def _read(self, run_id: str) -> Run:
        return await authorize_run(self.stores, self.caller, run_id)

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline - DEADLINE_MARGIN


async def subscribe(
    stores: Stores,
    caller: Principal,
    slot: Slot,
    cursor: EventId | None,
    *,
    endless: bool,
    deadline: float | None = None,
    disconnected: Callable[[], Awaitable[bool]] | None = None,
) -> Subscription | None:
    """Begin a stream of a conversation's runs after `cursor`.

    Without one, it begins at the active run, or else with the next one. It ends with the run that is the
    newest now, unless `endless`. Return None if nothing is left of that run and no other has begun.

    Raises `NotFound` for a cursor of another conversation, and for a conversation that the caller may not
    read. A caller may wait for one that does not exist yet; its owner then decides who gets its runs.
    """
    lease, conversation = await asyncio.gather(
        stores.leases.peek(slot), stores.conversations.find(slot.root())
    )
    if conversation:
        check_access(caller, conversation, "read")
        await note_access(stores, caller, conversation)
    existed = conversation is not None
    if cursor is None:
        at = EventId(lease.run_id, 0) if lease.run_id else _after_all(lease)
        return Subscription(
            stores, caller, slot, at, lease.run_id, endless, deadline, disconnected, existed=existed
        )
    last = lease.newest() if lease.newest() != cursor.run_id or cursor.seq < MAX_SEQ else None
    found = Subscription(stores, caller, slot, cursor, last, endless, deadline, disconnected, existed=existed)
    if cursor.run_id is None:
        return found
    run = await run_of(stores, caller, slot, cursor)
    at_end = not found.waiting and last == run.id and not endless
    return None if at_end and not await has_more(stores, run, cursor.seq) else found


async def run_of(stores: Stores, caller: Principal, slot: Slot, event: EventId) -> Run:
    """Return the run of an event. Raises `NotFound` if it does not belong to this conversation."""
    found = await authorize_run(stores, caller, event.run_id or "")
    if found.slot != slot:
        raise NotFound("The event id does not belong to a run of this conversation.", code="run_not_found")
    return found


def _after_all(lease: LeaseRecord) -> EventId:
    return EventId(lease.last_run_id, MAX_SEQ if lease.last_run_id else 0)
