"""A run's writes: events, messages and live messages in transactions that fit, with its lease.

Every write also renews the lease. A write can be repeated safely after a lost answer, so this waits out an
outage as long as the lease lasts.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from msgspec.structs import replace

from millrace.domain.approvals import WaitingCall
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.runs import LEASE_MS, Parked, Run
from millrace.domain.summaries import Summary
from millrace.errors import Unavailable
from millrace.services.runs.event_buffer import EventBuffer
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed, TransactItem
from millrace.stores.injections import Injection
from millrace.stores.lease_record import Lease, LeaseLost
from millrace.stores.message_items import shortened
from millrace.stores.messages import head_bytes

T = TypeVar("T")
log = logging.getLogger(__name__)
RENEWALS = 5
"""The number of renewals by an idle run during its lease."""
UNSAVED_MESSAGES = 10
SAVED_AT_ONCE, SAVED_BYTES = 32, 1_000_000
"""The maximum number and size (without parts) of messages that one transaction stores.

With the events of one flush and the live messages, this stays below DynamoDB's 100 items and 4 MB.
"""
RETRY_SECONDS = 0.5
PARK_TRIES = 3
"""Attempts to leave a run to another process at the end of this one's time. After that, its lease expires."""
END_TRIES = 40
"""Attempts to write a run's end: for at least 20 seconds, as long as its lease may last."""


class LeaseWriter:
    """The writes of one run.

    Callers hold the `lock`, so that writes follow each other, except for `save_results`. `stored` is the
    progress as last written. `advanced` means that this process has stored a step of the run.
    """

    def __init__(self, stores: Stores, lease: Lease, events: EventBuffer) -> None:
        self.lock = asyncio.Lock()
        self.unsaved: list[StoredMessage] = []
        self.asked: list[WaitingCall] = []
        self.stored = lease.progress
        self.advanced = False
        self._stores = stores
        self.lease = lease
        self._events = events
        self._covers: dict[str, int] = {}  # by message, the last event up to which it completes the history
        self._results: set[str] = set()
        self._writing = 0
        self._last_write = time.monotonic()

    def keep(self, message: StoredMessage, *, complete: bool = True) -> None:
        """Keep a message for the next write that saves. `complete` means that with it the history has the
        content of all events so far."""
        self.unsaved.append(message)
        self._covers[message.id] = self._events.last_number if complete else 0

    def keep_result(self, message: StoredMessage, *, complete: bool) -> None:
        """Keep a tool's result, in one message with those that wait for the same write."""
        # A message that is being written must not change: a result added to it now would be lost.
        last = self.unsaved[-1] if len(self.unsaved) > self._writing else None
        if last and last.id in self._results and _of_one_agent(last, message):
            self.unsaved.pop()
            message = _joined(last, message)
        self._results.add(message.id)
        self.keep(message, complete=complete)

    @property
    def since_write(self) -> float:
        """The seconds since the last write."""
        return time.monotonic() - self._last_write

    @property
    def has_results(self) -> bool:
        """A tool's result waits to be stored."""
        return any(one.id in self._results for one in self.unsaved)

    @property
    def many_unsaved(self) -> bool:
        """Enough messages are kept to be worth a write."""
        return len(self.unsaved) >= UNSAVED_MESSAGES

    @property
    def expired(self) -> bool:
        """The lease has expired, because nothing was written for as long as it lasts."""
        return self.since_write > LEASE_MS / 1000

    async def check(self) -> None:
        """Check that the run may continue, with a read, or with a write if the lease needs one."""
        if self.since_write > self.lease.lease_ms(self._stores.clock()) / RENEWALS / 1000:
            await self.write()
        else:
            await self._stores.leases.check(self.lease)

    async def write(
        self,
        messages: Sequence[StoredMessage] = (),
        drained: Sequence[Injection] = (),
        *,
        ending: bool = False,
        work: Sequence[TransactItem] | None = None,
        asked: Sequence[WaitingCall] = (),
    ) -> None:
        """Write the events that fit into one write, with messages and the live messages `drained` from the
        queue. Raises `LeaseLost`, `Stopping` or `ConditionFailed` (see `LeaseStore.write`)."""
        # Both are determined before the write, because later events and usage belong to the next one.
        batch, progress = self._events.next_batch(), self.lease.progress
        reached = batch[-1].seq if batch and work is not None else 0
        while True:
            try:
                await self._stores.leases.write(
                    self.lease,
                    batch,
                    list(messages),
                    self._stores.injections.removals(self.lease.run.slot, list(drained)),
                    numbered=self._events.seq,
                    saved=max((self._covers.get(one.id, 0) for one in messages), default=reached),
                    ending=ending,
                    more=[*(work or ()), *self._stores.approvals.requests(asked)],
                )
                break
            except Unavailable:
                if self.expired:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
        self._last_write = time.monotonic()
        self.stored = progress
        self.advanced = self.advanced or bool(messages or work)
        self._events.written(batch)

    async def save(self, live: list[StoredMessage], drained: list[Injection]) -> None:
        """Write all kept messages and then the `live` ones, which leave their queue with the `drained`."""
        await self.save_ahead(live)
        with self._fixed():
            kept, asked = len(self.unsaved), list(self.asked)
            # Calls begin to wait together with their turn, so that they can be answered from then on.
            await self.write([*self.unsaved, *live], drained, asked=asked)
            # Tool results that arrived during the write are not stored yet and have to stay.
            del self.unsaved[:kept]
            del self.asked[: len(asked)]

    async def save_work(self, work: Sequence[TransactItem]) -> None:
        """Write the run's progress to another store, with all events up to that point. From now on `work`
        stands for these events, as messages do."""
        while not self._events.ends_with_one_write():
            await self.write()
        await self.write(work=work)

    async def save_step(self) -> None:
        """Write all kept messages, with all events that they complete."""
        while not self._events.ends_with_one_write():
            await self.write()
        await self.save([], [])

    async def save_results(self) -> bool:
        """Write the tool results that are kept. Return False if there are none."""
        async with self.lock:
            if not self.has_results:  # any more
                return False
            await self.save_step()
        return True

    @contextmanager
    def _fixed(self) -> Iterator[None]:
        """Add no more results to the kept messages inside the block, because they are being written."""
        self._writing = len(self.unsaved)
        try:
            yield
        finally:
            self._writing = 0

    async def save_ahead(self, with_them: list[StoredMessage], *, ending: bool = False) -> None:
        """Write as many of the kept messages as necessary for the rest to fit in one transaction
        `with_them`."""
        while self.unsaved and not _fit(self.unsaved + with_them):
            with self._fixed():
                # A single message that exceeds the limit must be written anyway, or the run could never end.
                first = self.unsaved[: max(1, _fitting(self.unsaved))]
                await self.write(first, ending=ending)
                del self.unsaved[: len(first)]

    async def keep_summary(self, summary: Summary) -> None:
        """Store a summary under the lease, so that no other run pays for it again. If the store does not
        answer, only the summary is lost, not the run. Raises `LeaseLost`."""
        slot = self.lease.run.slot
        try:
            check = self._stores.leases.lease_check(self.lease)
            await self._stores.summaries.keep(check, slot, summary, branched=self.lease.branched)
        except ConditionFailed as error:
            raise LeaseLost(self.lease.run.id) from error
        except Unavailable:
            log.warning("the summary of %s was not stored", slot.key)

    async def write_beside(self, write: Callable[[TransactItem], Awaitable[T]]) -> T:
        """Write something other than messages: `write` includes the given check of the lease in its
        transactions. Raises `LeaseLost` or `Unavailable`."""
        run = self.lease.run
        check = self._stores.leases.lease_check(self.lease)
        while True:
            try:
                return await write(check)
            except ConditionFailed as error:
                raise LeaseLost(run.id) from error
            except Unavailable:
                if self.expired:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    def shorten(self) -> None:
        """Reduce the kept messages to a size that no store rejects."""
        self.unsaved = [replace(one, content=shortened(one.content), steps=[]) for one in self.unsaved]

    def forget_nested(self) -> None:
        """Drop the messages of sub-agents, because the run ends and nobody continues their work."""
        self.unsaved = [one for one in self.unsaved if one.position is None]

    async def park(self, run: Run, reason: Parked, until_ms: int, batch: list[LogEntry], **more: Any) -> None:
        """Leave the run to another process, with all that is kept. See `TakeoverStore.park`."""
        for attempt in range(PARK_TRIES):
            try:
                return await self._stores.takeovers.park(
                    self.lease, run, reason, until_ms, batch, self.unsaved, calls=self.asked, **more
                )
            except Unavailable:
                if attempt == PARK_TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def end(
        self,
        run: Run,
        batch: list[LogEntry],
        messages: list[StoredMessage],
        accepted: int | None,
        closed: Sequence[TransactItem] = (),
    ) -> None:
        """Write the end of the run, with retries as long as its lease may last. See `RunEndStore.end`."""
        for attempt in range(END_TRIES):
            try:
                return await self._stores.run_ends.end(
                    self.lease, run, batch, messages, accepted=accepted, more=closed
                )
            except Unavailable:
                if attempt == END_TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            except LeaseLost:
                if attempt and await self._is_ended():
                    return  # an earlier attempt, whose answer was lost, wrote it
                raise

    async def _is_ended(self) -> bool:
        run = self.lease.run
        stored = await self._stores.runs.get(run.slot.organization, run.id)
        return stored.ended_at is not None


def _of_one_agent(one: StoredMessage, other: StoredMessage) -> bool:
    return (one.position and one.position.work) == (other.position and other.position.work)


def _joined(first: StoredMessage, second: StoredMessage) -> StoredMessage:
    """Return two results of one turn's calls as one message, at the first one's position."""
    position = (
        replace(second.position, number=first.position.number) if first.position and second.position else None
    )
    content, steps = first.content + second.content, first.steps + second.steps
    return replace(first, content=content, steps=steps, position=position)


def _fit(messages: list[StoredMessage]) -> bool:
    return _fitting(messages) == len(messages)


def _fitting(messages: list[StoredMessage]) -> int:
    """Return the number of these messages, from the first on, that one transaction stores."""
    room = SAVED_BYTES
    for count, message in enumerate(messages[:SAVED_AT_ONCE]):
        room -= head_bytes(message)
        if room < 0:
            return count
    return min(len(messages), SAVED_AT_ONCE)
