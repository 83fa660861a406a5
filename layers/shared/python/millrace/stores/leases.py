"""Leases of slots: the writes that begin a run and let it advance.

See `lease_record` for the item, and `run_ends` for the end of a run.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.clock import Clock
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import NUMBERS_AT_ONCE, LeaseRecord, Run, StopReason
from millrace.errors import Conflict, NotFound, Unavailable, unknown_outcome
from millrace.stores.begun_slots import BegunSlots
from millrace.stores.conversation_items import being_deleted, is_deleting
from millrace.stores.conversations import ConversationStore
from millrace.stores.dynamo import ConditionFailed, Dynamo, TransactItem
from millrace.stores.event_log import EventLog
from millrace.stores.idempotency import Marker, Repeated, key_of, put_marker
from millrace.stores.lease_record import (
    Lease,
    LeaseLost,
    acquired,
    branch_selected,
    lease_key,
    renewed,
    still_held,
    stop_requested,
    to_lease,
)
from millrace.stores.messages import MessageStore, in_history
from millrace.stores.reading import readable
from millrace.stores.run_definitions import RunDefinitionStore
from millrace.stores.runs import RunStore

LEARNED_AT_ONCE = 3
"""Attempts to learn of changes with a write, which then succeeds without them if many clients send at
once."""


class SlotChanged(Exception):
    """The slot has changed since it was read; `record` is its present state."""

    def __init__(self, record: LeaseRecord) -> None:
        super().__init__(record)
        self.lease_record = record


class Beginning(Struct, frozen=True):
    """A run that is about to begin: its future lease, and the transaction that takes it. `run_at` is the
    position of the run's own write. The conversation's write is the last."""

    lease: Lease
    writes: Sequence[TransactItem]
    seen: LeaseRecord
    has_marker: bool
    run_at: int


class LeaseStore:
    """The writes that begin a run and those of an active run."""

    def __init__(
        self,
        dynamo: Dynamo,
        conversations: ConversationStore,
        messages: MessageStore,
        runs: RunStore,
        definitions: RunDefinitionStore,
        log: EventLog,
        clock: Clock,
    ) -> None:
        self._dynamo = dynamo
        self._conversations = conversations
        self._messages = messages
        self._runs = runs
        self._definitions = definitions
        self._log = log
        self._clock = clock
        self._table = conversations.table
        self.begun = BegunSlots()

    async def peek(self, slot: Slot) -> LeaseRecord:
        """Return the current lease."""
        return to_lease(await self._dynamo.get(self._table, lease_key(slot)))

    async def peek_all(self, slots: Iterable[Slot]) -> dict[str, LeaseRecord]:
        """Return the current leases of at most 100 slots by the slots' keys, in one call. A lease that does
        not exist or cannot be read is left out."""
        keys = [lease_key(slot) for slot in dict.fromkeys(slots)]
        items = await self._dynamo.get_many(self._table, keys)
        return dict(readable(items, lambda item: (item["pk"], to_lease(item))))

    async def earlier_use(self, slot: Slot, key: str) -> Repeated | None:
        """Return the earlier use of an idempotency key, if there was one."""
        item = await self._dynamo.get(self._table, key_of(slot, key))
        alive = item and item["expiresAt"] > self._clock() // 1000
        return Repeated(item) if item and alive else None

    def beginning(
        self,
        run: Run,
        holder: str,
        conversation: Conversation,
        message: StoredMessage | None,
        seen: LeaseRecord,
        marker: Marker | None = None,
        definition: RunDefinition | None = None,
        more: Sequence[TransactItem] = (),
        earlier: Sequence[StoredMessage] = (),
        parent: int | None = None,
    ) -> Beginning:
        """Plan the write that begins a run. It stores `message`, which starts the run (None: answer a stored
        one again), after the messages in `earlier` that none of our runs has seen. They follow the message at
        the position `parent`, by default the end of the active branch. With a `definition`, another process
        can continue the run. `more` is written in the same transaction."""
        run = replace(run, previous_id=seen.last_run_id)
        added = [*earlier, message] if message else list(earlier)
        first, last = seen.messages + 1, seen.messages + len(added)
        follows = seen.tree.end(seen.messages) if parent is None else parent
        tree = seen.tree.follow(first, follows)
        writes = [acquired(self._table, run, holder, seen, self._clock(), len(added), tree)]
        if marker:
            writes.append(put_marker(self._table, run.slot, marker, run.id, self._clock()))
        heads, parts = self._messages.puts(run.slot, first, added, holder)
        writes += [*heads, *parts, self._runs.put(run, new=True)]
        run_at = len(writes) - 1
        if definition:
            defined = replace(definition, first=max(first, last))
            writes += self._definitions.put(run.slot, run.id, defined)
        writes += more
        if run.slot.thread_id:
            writes.append(self._conversations.list_thread(run.slot))
        writes += self._conversations.touches(
            run.slot, conversation, titled=seen.messages == 0, active=run.id
        )
        branched = not tree.is_line
        lease = Lease(run, holder, seq=0, messages=last, reserved=NUMBERS_AT_ONCE, branched=branched)
        return Beginning(lease, writes, seen, marker is not None, run_at)

    async def begin(self, planned: Beginning) -> Lease:
        """Take the lease for a new run. Raises `Repeated` for a used idempotency key, and `SlotChanged` if
        the slot is not as it was `seen`. Raises `Conflict` while the conversation is being deleted, or if
        another run has the same id."""
        try:
            with self.begun.beginning(planned.lease.run.slot):
                await self._dynamo.transact(*planned.writes)
        except ConditionFailed as error:
            _raise_not_begun(error, planned)
        except Unavailable:
            if not await self._has_begun(planned.lease.run):
                raise
            # The run has begun; only the answer was lost.
        return planned.lease

    async def _has_begun(self, run: Run) -> bool:
        """Return whether a run has begun, wherever it works and even if it has ended since. Raises
        `Unavailable` if that cannot be read."""
        try:
            stored = await self._runs.get(run.slot.organization, run.id)
        except NotFound:
            return False
        except Unavailable as error:
            raise unknown_outcome("the message was accepted") from error
        return stored.message_id == run.message_id

    async def write(
        self,
        lease: Lease,
        events: list[LogEntry],
        messages: list[StoredMessage] | None = None,
        removals: list[TransactItem] | None = None,
        *,
        numbered: int = 0,
        saved: int = 0,
        ending: bool = False,
        more: Sequence[TransactItem] = (),
    ) -> None:
        """Log events and append messages under the lease, and renew it, all in one transaction. `removals`
        remove live messages from their queue. `numbered` is the last number that the run has given to an
        event; more numbers are reserved after it. The messages and those before them contain the text of all
        events up to `saved`. `more` is written with them. Raises `LeaseLost`, `Stopping` (unless the run is
        `ending`), or `ConditionFailed` if a live message was withdrawn in the meantime; nothing is written
        then."""
        added, drained = messages or [], removals or []
        seq = events[-1].seq if events else lease.seq
        stored = lease.messages + in_history(added)
        reserved = max(lease.reserved, numbered + NUMBERS_AT_ONCE)
        heads, parts = self._messages.puts(lease.run.slot, lease.messages + 1, added, lease.holder)
        rest = [*self._log.puts(lease.stream, events), *drained, *heads, *more]

        async def attempt(current: bool) -> None:
            fence = renewed(
                self._table,
                lease,
                self._clock(),
                seq=seq,
                messages=stored,
                reserved=reserved,
                drained=len(drained),
                saved=saved,
                ending=ending,
                current=current,
                advances=bool(added or more),
            )
            await self._messages.transact(self.lease_check(lease), [fence, *rest], parts)

        try:
            await _learning(lease, attempt)
        except ConditionFailed as error:
            if 0 not in error.items:
                raise
            record = to_lease(error.items[0])
            _check_repeated(lease, record, seq, stored, ending=ending)
            # The write was stored, with the numbers reserved at that time.
            reserved = record.reserved
        lease.advance(seq, stored, reserved)
        lease.saved = max(lease.saved, saved)

    def lease_check(self, lease: Lease) -> TransactItem:
        """Return a condition for a transaction: the lease is still held."""
        return still_held(self._table, lease)

    async def check(self, lease: Lease) -> None:
        """Raise `LeaseLost` or `Stopping` unless the run may continue. Takes one read."""
        lease.check_may_go_on(await self.peek(lease.run.slot))

    async def select_branch(self, slot: Slot, seen: LeaseRecord, head: int) -> None:
        """Activate the branch with the last message `head`. Raises `SlotChanged` if the slot is not as it was
        `seen` or a run is active."""
        try:
            await self._dynamo.write(branch_selected(self._table, slot, seen, head))
        except ConditionFailed as error:
            raise SlotChanged(to_lease(error.items[0])) from error

    async def request_stop(self, slot: Slot, reason: StopReason, run_id: str | None = None) -> str | None:
        """Ask the active run to stop, even between two processes, and return its id. Return None if no run is
        active, or not the run `run_id`."""
        active = (await self.peek(slot)).run_id
        if active is None or (run_id and active != run_id):
            return None
        try:
            await self._dynamo.write(stop_requested(self._table, slot, active, reason))
        except ConditionFailed:
            return None
        return active


def _raise_not_begun(error: ConditionFailed, planned: Beginning) -> NoReturn:
    """Raise the error for a run that did not begin."""
    if is_deleting(error):
        raise being_deleted() from error
    # A used key takes precedence over a changed slot, which the earlier request has usually changed.
    used = error.items.get(1) if planned.has_marker else None
    if used:
        raise Repeated(used) from error
    if 0 in error.items:
        raise SlotChanged(to_lease(error.items[0])) from error
    if planned.run_at in error.items:
        raise Conflict("Another run has this id; use a new one.", code="run_id_used") from error
    if len(planned.writes) - 1 in error.items:
        raise SlotChanged(
            planned.seen
        ) from error  # another user has created a conversation with this id in the meantime
    raise error


def _check_repeated(lease: Lease, record: LeaseRecord, seq: int, stored: int, *, ending: bool) -> None:
    """Raise `LeaseLost` or `Stopping` for a refused write, unless an earlier attempt has stored it. The
    answer to that attempt was lost, but `record` shows its result. The next write detects a stop requested
    since."""
    lease.check(record)
    if not ending and (record.seq, record.messages) == (lease.seq, lease.messages):
        lease.check_may_go_on(record)
    if (record.seq, record.messages) != (seq, stored):
        raise LeaseLost(lease.run.id)


async def _learning(lease: Lease, attempt: Callable[[bool], Awaitable[None]]) -> None:
    """Write, and repeat a write that was refused only because viewers or live messages arrived. This is how
    the holder learns of them without a read."""
    for _ in range(LEARNED_AT_ONCE):
        try:
            return await attempt(True)
        except ConditionFailed as error:
            record = to_lease(error.items.get(0))
            news = (record.watched_ms, record.accepted)
            unchanged = (record.seq, record.messages) == (lease.seq, lease.messages)
            if news == (lease.watched_ms, lease.accepted) or not unchanged:
                raise
            lease.watched_ms, lease.accepted = news
    await attempt(False)
