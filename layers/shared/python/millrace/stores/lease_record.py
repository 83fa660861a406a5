"""The item `RUN` of a slot's partition: the active run, and the process that holds its lease.

Every write of a run is one transaction with one of the updates below, which is refused unless the lease is
still held. So a run that was declared dead cannot write any more, and an event, a message and the state that
belong together are stored together or not at all. `holder` is a nonce of the process that executes the run.
"""

import orjson
from msgspec import Struct, field

from millrace.domain.branches import LINE, MessageTree
from millrace.domain.conversations import Slot
from millrace.domain.runs import (
    LEASE_MS,
    MAX_WAITING,
    NUMBERS_AT_ONCE,
    WATCHED_LEASE_MS,
    LeaseRecord,
    Progress,
    Run,
    StopReason,
)
from millrace.stores.dynamo import Item, TransactItem, check_that, update
from millrace.stores.runs import stream_of

IS_HOLDER = "runId = :run AND holder = :holder"
"""The condition that `:holder` holds the lease for `:run`."""


_OF_A_RUN = "parked, attempts, watchedMs, noticedMs, progress"
"""The attributes that are removed at the end of a run."""


class LeaseLost(Exception):
    """Another process has ended this run, or its conversation was deleted: write nothing more."""


class Stopping(Exception):
    """The run has been asked to stop."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Lease(Struct):
    """A lease as its holder knows it, updated by each write.

    The holder may number events up to `reserved`, and must store a write that reserves more before it goes
    further. `progress` is stored with each write. `drained` live messages had left the queue when the holder
    took over. `attended` means that the holder's own client is connected; other viewers watch until
    `watched_ms`. `accepted` is the number of live messages at the last write. `branched` means that the
    slot's messages are not a single line.
    """

    run: Run
    holder: str
    seq: int
    messages: int
    reserved: int
    saved: int = 0
    drained: int = 0
    watched_ms: int = 0
    accepted: int = 0
    attended: bool = False
    progress: Progress = field(default_factory=Progress)
    branched: bool = False

    @property
    def stream(self) -> str:
        """The run's event-log stream."""
        return stream_of(self.run.slot.organization, self.run.id)

    def advance(self, seq: int, messages: int, reserved: int) -> None:
        """Record what a write has stored."""
        self.seq, self.messages, self.reserved = seq, messages, reserved

    def lease_ms(self, now: int) -> int:
        """Return the milliseconds by which a write renews the lease."""
        return WATCHED_LEASE_MS if self.attended or self.watched_ms > now else LEASE_MS

    def check(self, record: LeaseRecord) -> None:
        """Raise `LeaseLost` unless the stored `record` belongs to this lease."""
        if record.run_id != self.run.id or record.holder != self.holder:
            raise LeaseLost(self.run.id)

    def check_may_go_on(self, record: LeaseRecord) -> None:
        """Raise `LeaseLost` or `Stopping` if the stored `record` does not allow the run to continue."""
        self.check(record)
        if record.stop:
            raise Stopping(record.stop)


def lease_key(slot: Slot) -> Item:
    """Return the primary key of the item."""
    return {"pk": slot.key, "sk": "RUN"}


def to_lease(item: Item | None) -> LeaseRecord:
    """Return the lease in the item, or an empty one if there is no item."""
    if item is None:
        return LeaseRecord()
    return LeaseRecord(
        run_id=item.get("runId"),
        holder=item.get("holder"),
        until_ms=item.get("untilMs", 0),
        seq=item.get("seq", 0),
        accepted=item.get("accepted", 0),
        stop=item.get("stopReason"),
        messages=item.get("messages", 0),
        pending_live_messages=item.get("pendingLiveMessages", -MAX_WAITING) > -MAX_WAITING,
        reserved=item.get("reservedSeq", item.get("seq", 0) + NUMBERS_AT_ONCE),
        saved=item.get("savedSeq", 0),
        last_run_id=item.get("lastRunId"),
        parked=item.get("parked"),
        drained=item.get("ceiling", MAX_WAITING) - MAX_WAITING,
        attempts=item.get("attempts", 0),
        watched_ms=item.get("watchedMs", 0),
        progress=orjson.loads(item.get("progress", "{}")),
        tree=_tree(item),
    )


def _tree(item: Item) -> MessageTree:
    branches = item.get("branches")
    if branches is None and "branchHead" not in item:
        return LINE
    return MessageTree(tuple(map(tuple, orjson.loads(branches or "[]"))), item.get("branchHead", 0))


def acquired(
    table: str, run: Run, holder: str, seen: LeaseRecord, now: int, messages: int, tree: MessageTree
) -> TransactItem:
    """Return the update that takes the lease for a new run, if the slot is as it was `seen`.

    The run adds `messages` messages and continues the active branch of `tree`.
    """
    values: Item = {"branches": orjson.dumps(tree.branches).decode()} if tree.branches else {}
    if seen.tree.head:
        values["head"] = seen.tree.head
    return update(
        table,
        lease_key(run.slot),
        "SET runId = :run, holder = :holder, untilMs = :until, seq = :zero, accepted = :zero, "
        "savedSeq = :zero, reservedSeq = :reserved, ceiling = :ceiling, messages = :messages"
        f"{', branches = :branches' if tree.branches else ''} "
        # A branch without messages disappears when the next message continues another one.
        f"REMOVE {'' if tree.branches else 'branches, '}branchHead, "
        f"stopReason, pendingLiveMessages, {_OF_A_RUN}",
        "attribute_not_exists(runId) AND "
        "(messages = :seen OR (:seen = :zero AND attribute_not_exists(messages))) AND "
        + _head_condition(seen),
        run=run.id,
        holder=holder,
        until=now + LEASE_MS,
        zero=0,
        reserved=NUMBERS_AT_ONCE,
        ceiling=MAX_WAITING,
        messages=seen.messages + messages,
        seen=seen.messages,
        **values,
    )


def _head_condition(seen: LeaseRecord) -> str:
    return "branchHead = :head" if seen.tree.head else "attribute_not_exists(branchHead)"


def branch_selected(table: str, slot: Slot, seen: LeaseRecord, head: int) -> TransactItem:
    """Return the update that activates the branch with the last message `head`.

    It is refused if a run is active or the slot is not as it was `seen`.
    """
    latest = head == seen.messages and not seen.tree.is_empty_branch(seen.messages)
    values: Item = {} if latest else {"chosen": head}
    if seen.tree.head:
        values["head"] = seen.tree.head
    if seen.last_run_id:
        values["last"] = seen.last_run_id
    last = "lastRunId = :last" if seen.last_run_id else "attribute_not_exists(lastRunId)"
    return update(
        table,
        lease_key(slot),
        "REMOVE branchHead" if latest else "SET branchHead = :chosen",
        f"attribute_not_exists(runId) AND messages = :seen AND {last} AND {_head_condition(seen)}",
        seen=seen.messages,
        **values,
    )


def renewed(
    table: str,
    lease: Lease,
    now: int,
    *,
    seq: int,
    messages: int,
    reserved: int,
    drained: int,
    saved: int,
    ending: bool,
    current: bool,
    advances: bool,
) -> TransactItem:
    """Return the update that renews the lease, with the last number of events logged (`seq`), messages
    stored, event numbers `reserved` and events `saved` in messages.

    `drained` live messages make room for as many new ones. A write that `advances` the run stores a step,
    which resets the count of earlier deaths. The update is refused for a run that has to stop, unless it is
    `ending`. If it is `current`, it is also refused if a viewer or a live message arrived in the meantime.
    """
    unless = "" if ending else " AND attribute_not_exists(stopReason)"
    known = {"watched": lease.watched_ms, "accepted": lease.accepted} if current else {}
    return update(
        table,
        lease_key(lease.run.slot),
        "SET seq = :seq, reservedSeq = :reserved, untilMs = :until, messages = :messages, savedSeq = :saved, "
        "ceiling = ceiling + :drained, progress = :progress" + (" REMOVE attempts" if advances else ""),
        f"{IS_HOLDER} AND seq = :seen AND messages = :kept{unless}" + (_CURRENT if known else ""),
        seq=seq,
        reserved=reserved,
        seen=lease.seq,
        kept=lease.messages,
        until=now + lease.lease_ms(now),
        messages=messages,
        drained=drained,
        saved=max(saved, lease.saved),
        progress=packed(lease.progress),
        **known,
        **holder_values(lease),
    )


_CURRENT = " AND (watchedMs = :watched OR attribute_not_exists(watchedMs)) AND accepted = :accepted"


def packed(progress: Progress) -> str:
    """Return the progress as the item stores it."""
    return orjson.dumps(progress.to_item()).decode()


def released(table: str, slot: Slot, condition: str, values: Item) -> TransactItem:
    """Return the update that frees the slot, with the values of its condition and the number of
    `messages`."""
    return update(
        table,
        lease_key(slot),
        # The number that still waits, less MAX_WAITING: reading or withdrawing one has raised the ceiling by
        # one.
        "SET messages = :messages, pendingLiveMessages = accepted - ceiling, lastRunId = :run "
        "REMOVE runId, holder, untilMs, stopReason, seq, accepted, ceiling, savedSeq, reservedSeq, "
        f"{_OF_A_RUN}",
        condition,
        **values,
    )


def stop_requested(table: str, slot: Slot, run_id: str, reason: StopReason) -> TransactItem:
    """Return the update that asks a run to stop. The first reason is kept."""
    return update(
        table,
        lease_key(slot),
        "SET stopReason = if_not_exists(stopReason, :reason)",
        "runId = :run",
        reason=reason,
        run=run_id,
    )


def still_held(table: str, lease: Lease) -> TransactItem:
    """Return a condition for a transaction: the lease is still held."""
    return check_that(table, lease_key(lease.run.slot), IS_HOLDER, **holder_values(lease))


def holder_values(lease: Lease) -> Item:
    """Return the values of the condition `IS_HOLDER`."""
    return {"run": lease.run.id, "holder": lease.holder}
