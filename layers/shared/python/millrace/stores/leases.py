"""The lease on a slot: which run is active there, in the item `RUN` of the slot's partition.

Every write of a run is one transaction that also checks the lease, so that a run that was given up for lost
can write nothing more, and an event, a message and the state they belong to are stored together or not at
all. `holder` is a nonce of the process that runs it.
"""

from dataclasses import dataclass, replace

from millrace.domain.clock import Clock
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import Event, Logged
from millrace.domain.ids import new_ulid
from millrace.domain.runs import LEASE_MS, MAX_WAITING, NUMBERS_AT_ONCE, Lease, Run, StopReason
from millrace.errors import Unavailable
from millrace.stores.conversations import ConversationStore, being_deleted, is_deleting, to_lease
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, check_that, update
from millrace.stores.event_log import EventLog, encode
from millrace.stores.idempotency import Marker, Repeated, key_of, mark
from millrace.stores.runs import RunStore, stream_of
from millrace.stores.sizes import fits

_HELD = "runId = :run AND holder = :holder"
PARTS_AT_ONCE = 10


class LeaseLost(Exception):
    """Somebody else has ended this run, or its conversation was deleted: write nothing more."""


class Busy(Exception):
    """The slot changed since it was read: `lease` is how it stands now."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease)
        self.lease = lease


class Stopping(Exception):
    """The run has been asked to stop."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Injected(Exception):
    """The run cannot end yet: `accepted` live messages have been accepted in all."""

    def __init__(self, accepted: int) -> None:
        super().__init__(accepted)
        self.accepted = accepted


@dataclass(slots=True)
class Held:
    """A lease as its holder knows it: advanced by each write. The holder may number events up to
    `reserved`, no further before the write that reserves more is stored."""

    run: Run
    holder: str
    seq: int
    messages: int
    reserved: int

    @property
    def stream(self) -> str:
        """The run's event-log stream."""
        return stream_of(self.run.slot.organization, self.run.id)


class LeaseStore:
    """Everything that begins, advances and ends runs."""

    def __init__(
        self,
        dynamo: Dynamo,
        conversations: ConversationStore,
        runs: RunStore,
        log: EventLog,
        clock: Clock,
    ) -> None:
        self._dynamo = dynamo
        self._conversations = conversations
        self._runs = runs
        self._log = log
        self._clock = clock
        self._table = conversations.table

    async def peek(self, slot: Slot) -> Lease:
        """The lease as it stands."""
        return to_lease(await self._dynamo.get(self._table, _key(slot)))

    async def begin(
        self,
        run: Run,
        holder: str,
        conversation: Conversation,
        message: StoredMessage,
        seen: Lease,
        marker: Marker | None = None,
    ) -> Held:
        """Takes the lease for a new run, with the message that starts it.

        Raises `Repeated` for a used idempotency key, `Busy` when the slot is not as it was `seen`, and
        `Conflict` while the conversation is being deleted."""
        run = replace(run, previous_id=seen.last_run_id)
        writes = [self._take(run, holder, seen)]
        if marker:
            writes.append(mark(self._table, run.slot, marker, run.id, self._clock()))
        heads, parts = self._conversations.put_messages(run.slot, seen.messages + 1, [message], holder)
        writes += [*heads, *parts, self._runs.put(run, new=True)]
        if run.slot.thread_id:
            writes.append(self._conversations.list_thread(run.slot))
        writes += self._touches(run, conversation, titled=seen.messages == 0, active=run.id)
        try:
            await self._dynamo.transact(*writes)
        except ConditionFailed as refused:
            if is_deleting(refused):
                raise being_deleted() from refused
            used = refused.items.get(1) if marker else None
            if used:
                raise Repeated(used) from refused
            if 0 in refused.items:
                raise Busy(to_lease(refused.items[0])) from refused
            if len(writes) - 1 in refused.items:
                raise Busy(seen) from refused  # another user has made a conversation of this id meanwhile
            raise
        except Unavailable:
            lease = await self.peek(run.slot)
            if (lease.run_id, lease.holder) != (run.id, holder):
                raise
            # Only the answer was lost: the run has begun.
        return Held(run, holder, seq=0, messages=seen.messages + 1, reserved=NUMBERS_AT_ONCE)

    def _take(self, run: Run, holder: str, seen: Lease) -> TransactItem:
        return update(
            self._table,
            _key(run.slot),
            "SET runId = :run, holder = :holder, untilMs = :until, seq = :zero, accepted = :zero, "
            "savedSeq = :zero, reservedSeq = :reserved, ceiling = :ceiling, messages = :messages "
            "REMOVE stopReason, leftovers",
            "attribute_not_exists(runId) AND "
            "(messages = :seen OR (:seen = :zero AND attribute_not_exists(messages)))",
            run=run.id,
            holder=holder,
            until=self._clock() + LEASE_MS,
            zero=0,
            reserved=NUMBERS_AT_ONCE,
            ceiling=MAX_WAITING,
            messages=seen.messages + 1,
            seen=seen.messages,
        )

    async def marked(self, slot: Slot, key: str) -> Repeated | None:
        """What an idempotency key was used for, if it was."""
        item = await self._dynamo.get(self._table, key_of(slot, key))
        alive = item and item["expiresAt"] > self._clock() // 1000
        return Repeated(item) if item and alive else None

    def _touches(
        self, run: Run, conversation: Conversation, *, titled: bool, active: str | None
    ) -> list[TransactItem]:
        slots = [run.slot]
        if run.slot.thread_id:
            slots.append(run.slot.root())
        return [
            self._conversations.touch(
                slot,
                conversation,
                titled=titled,
                active=active if slot is run.slot else None,
                begins=active is not None,
                in_thread=slot is not run.slot,
            )
            for slot in slots
        ]

    async def write(
        self,
        held: Held,
        events: list[Logged],
        messages: list[StoredMessage] | None = None,
        takes: list[TransactItem] | None = None,
        *,
        numbered: int = 0,
        saved: int = 0,
        ending: bool = False,
    ) -> None:
        """Logs events and appends messages under the lease, and renews it; `takes` are live messages leaving
        their queue, all in one transaction. Raises `LeaseLost`, `Stopping` (unless the run is `ending`), or
        `ConditionFailed` when a live message has been withdrawn meanwhile: nothing was written then.

        `numbered` is the last number that the run has given to an event: more are reserved from there. The
        messages, with those before them, hold the text of all events up to `saved`."""
        added, taken = messages or [], takes or []
        seq = events[-1].seq if events else held.seq
        reserved = max(held.reserved, numbered + NUMBERS_AT_ONCE)
        unless = "" if ending else " AND attribute_not_exists(stopReason)"
        saving = {"saved": saved} if saved else {}
        fence = update(
            self._table,
            _key(held.run.slot),
            "SET seq = :seq, reservedSeq = :reserved, untilMs = :until, messages = :messages, "
            "ceiling = ceiling + :taken" + (", savedSeq = :saved" if saving else ""),
            f"{_HELD} AND seq = :seen AND messages = :kept{unless}",
            seq=seq,
            reserved=reserved,
            seen=held.seq,
            kept=held.messages,
            until=self._clock() + LEASE_MS,
            messages=held.messages + len(added),
            taken=len(taken),
            **saving,
            **_holder(held),
        )
        slot = held.run.slot
        heads, parts = self._conversations.put_messages(slot, held.messages + 1, added, held.holder)
        writes = [fence, *self._log.puts(held.stream, events), *taken, *heads]
        try:
            await self._transact(self.held_check(held), writes, parts)
        except ConditionFailed as refused:
            if 0 not in refused.items:
                raise
            lease = to_lease(refused.items[0])
            _must_hold(held, lease)
            if not ending and (lease.seq, lease.messages) == (held.seq, held.messages):
                _may_go_on(held, lease)
            if (lease.seq, lease.messages) != (seq, held.messages + len(added)):
                raise LeaseLost(held.run.id) from refused
            # The write of an attempt whose answer was lost: everything is there, reserved as it was then. A
            # stop that was asked for since is noticed with the next write.
            reserved = lease.reserved
        held.seq, held.messages, held.reserved = seq, held.messages + len(added), reserved

    async def _transact(
        self, held: TransactItem, writes: list[TransactItem], parts: list[TransactItem]
    ) -> None:
        """Writes with the parts of their messages. Parts that do not fit into the transaction go before it,
        as long as the lease is `held`: nothing refers to them until the transaction is done."""
        if fits([*writes, *parts]):
            return await self._dynamo.transact(*writes, *parts)
        for start in range(0, len(parts), PARTS_AT_ONCE):
            await self._dynamo.transact(held, *parts[start : start + PARTS_AT_ONCE])
        await self._dynamo.transact(*writes)

    def held_check(self, held: Held) -> TransactItem:
        """The part of a transaction that refuses it unless the lease is still held."""
        return check_that(self._table, _key(held.run.slot), _HELD, **_holder(held))

    async def check(self, held: Held) -> None:
        """Looks whether the run may go on: `LeaseLost`, `Stopping` or nothing. One read."""
        _may_go_on(held, await self.peek(held.run.slot))

    async def end(
        self,
        held: Held,
        run: Run,
        events: list[Logged],
        messages: list[StoredMessage],
        *,
        accepted: int | None,
    ) -> None:
        """Ends the run: its last events, its messages, its final state, and the lease, all at once. With
        `accepted` only when no further live message has been accepted and no stop was asked for; raises
        `Injected` or `Stopping` otherwise."""
        condition = _HELD
        values: Item = _holder(held) | {"messages": held.messages + len(messages)}
        if accepted is not None:
            condition += " AND accepted = :accepted AND attribute_not_exists(stopReason)"
            values["accepted"] = accepted
        fence = self._release(run.slot, condition, values)
        heads, parts = self._conversations.put_messages(run.slot, held.messages + 1, messages, held.holder)
        writes = [fence, *self._log.puts(held.stream, events), *heads, self._runs.put(run)]
        writes += self._touches(run, _ended(run), titled=False, active=None)
        try:
            await self._transact(self.held_check(held), writes, parts)
        except ConditionFailed as refused:
            if is_deleting(refused):
                raise LeaseLost(held.run.id) from refused
            if 0 not in refused.items:
                raise
            lease = to_lease(refused.items[0])
            _may_go_on(held, lease)
            raise Injected(lease.accepted) from refused

    def _release(self, slot: Slot, condition: str, values: Item) -> TransactItem:
        return update(
            self._table,
            _key(slot),
            # What still waits, less MAX_WAITING: each one taken or withdrawn has raised the ceiling by one.
            "SET messages = :messages, leftovers = accepted - ceiling, lastRunId = :run "
            "REMOVE runId, holder, untilMs, stopReason, seq, accepted, ceiling, savedSeq, reservedSeq",
            condition,
            **values,
        )

    async def request_stop(self, slot: Slot, reason: StopReason, run_id: str | None = None) -> str | None:
        """Asks the active run to stop; its id, or None when nothing (else) runs there."""
        lease = await self.peek(slot)
        if not lease.active(self._clock()) or (run_id and lease.run_id != run_id):
            return None
        request = update(
            self._table,
            _key(slot),
            "SET stopReason = if_not_exists(stopReason, :reason)",
            "runId = :run",
            reason=reason,
            run=lease.run_id,
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed:
            return None
        return lease.run_id

    async def give_up(self, run: Run, lost: Lease, event: Event, messages: list[StoredMessage]) -> bool:
        """Ends a run whose holder is gone, as its last logged event `event` says, which is numbered above all
        that the holder may have handed out. False when somebody else did it, or the holder is back."""
        seen: Item = {
            "run": lost.run_id,
            "holder": lost.holder,
            "until": lost.until_ms,
            "seen": lost.seq,
        }
        condition = f"{_HELD} AND untilMs = :until AND seq = :seen"
        stream, after = stream_of(run.slot.organization, run.id), lost.messages
        heads, parts = self._conversations.put_messages(run.slot, after + 1, messages, new_ulid())
        writes = [
            self._release(run.slot, condition, seen | {"messages": after + len(messages)}),
            *self._log.puts(stream, [encode(lost.reserved + 1, event)]),
            *heads,
            self._runs.put(run),
            *self._touches(run, _ended(run), titled=False, active=None),
        ]
        try:
            await self._transact(check_that(self._table, _key(run.slot), condition, **seen), writes, parts)
        except ConditionFailed as refused:
            if 0 in refused.items or is_deleting(refused):
                return False
            raise
        return True


def _key(slot: Slot) -> Item:
    return {"pk": slot.key, "sk": "RUN"}


def _holder(held: Held) -> Item:
    return {"run": held.run.id, "holder": held.holder}


def _ended(run: Run) -> Conversation:
    return Conversation(
        id=run.slot.conversation_id,
        agent_id=run.agent_id,
        title="",
        created_at=run.started_at,
        updated_at=run.ended_at or run.started_at,
        created_by=run.owner,
    )


def _must_hold(held: Held, lease: Lease) -> None:
    if lease.run_id != held.run.id or lease.holder != held.holder:
        raise LeaseLost(held.run.id)


def _may_go_on(held: Held, lease: Lease) -> None:
    _must_hold(held, lease)
    if lease.stop:
        raise Stopping(lease.stop)


def failed(run: Run, error: Event, ended_at: str) -> Run:
    """The run as it ends with an error event."""
    shown = {name: error[name] for name in ("message", "code", "retryable")}
    return replace(run, state="failed", error=shown, ended_at=ended_at)
