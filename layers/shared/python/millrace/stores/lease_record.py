"""The item `RUN` of a slot's partition: which run is active there, and who holds it.

Every write of a run is one transaction with one of the updates below, each of which is refused unless the
lease is still held. So a run that was given up for lost can write nothing more, and an event, a message and
the state they belong to are stored together or not at all. `holder` is a nonce of the process that runs it.
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
"""The condition that the lease is held by `:holder` for `:run`."""


_OF_A_RUN = "parked, attempts, watchedMs, noticedMs, progress"
"""The attributes that no next run finds."""


class LeaseLost(Exception):
    """Somebody else has ended this run, or its conversation was deleted: write nothing more."""


class Stopping(Exception):
    """The run has been asked to stop."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Lease(Struct):
    """A lease as its holder knows it: advanced by each write. The holder may number events up to
    `reserved`, no further before the write that reserves more is stored. `progress` goes with each write;
    `drained` live messages had left the queue when the holder took over. The client of the holder itself is
    `attended`; other viewers have said that they watch until `watched_ms`. At its last write the holder knew
    of `accepted` live messages. The slot has `branched` where its messages are no line."""

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
        """Note what a write has stored."""
        self.seq, self.messages, self.reserved = seq, messages, reserved

    def lease_ms(self, now: int) -> int:
        """Return for how long a write renews the lease."""
        return WATCHED_LEASE_MS if self.attended or self.watched_ms > now else LEASE_MS

    def check(self, record: LeaseRecord) -> None:
        """Raise `LeaseLost` unless the stored `record` is this one."""
        if record.run_id != self.run.id or record.holder != self.holder:
            raise LeaseLost(self.run.id)

    def check_may_go_on(self, record: LeaseRecord) -> None:
        """Raise `LeaseLost` or `Stopping` where the stored `record` does not let the run go on."""
        self.check(record)
        if record.stop:
            raise Stopping(record.stop)


def lease_key(slot: Slot) -> Item:
    """The primary key of the item."""
    return {"pk": slot.key, "sk": "RUN"}


def to_lease(item: Item | None) -> LeaseRecord:
    """The lease that the item holds; an empty one when there is none."""
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
    """The update that takes the lease for a new run, which brings so many messages and goes on in the branch
    that is active in `tree`, if the slot is as it was `seen`."""
    values: Item = {"branches": orjson.dumps(tree.branches).decode()} if tree.branches else {}
    if seen.tree.head:
        values["head"] = seen.tree.head
    return update(
        table,
        lease_key(run.slot),
        "SET runId = :run, holder = :holder, untilMs = :until, seq = :zero, accepted = :zero, "
        "savedSeq = :zero, reservedSeq = :reserved, ceiling = :ceiling, messages = :messages"
        f"{', branches = :branches' if tree.branches else ''} "
        # A branch that has no message is gone when the next message goes on elsewhere.
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
    """The update that makes the branch with this last message the active one, if no run is active and the
    slot is as it was `seen`."""
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
    """The update that renews the lease with the numbers up to which events are logged (`seq`), messages
    stored, event numbers `reserved` and events `saved` in messages. `drained` live messages make room for as
    many. A write that `advances` the run stores a step: earlier deaths count no more. Refused for a run that
    is to stop, unless it is `ending`, and, if it is to be `current`, where somebody has begun to watch
    meanwhile, or a live message was accepted."""
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
    """The progress as the item holds it."""
    return orjson.dumps(progress.to_item()).decode()


def released(table: str, slot: Slot, condition: str, values: Item) -> TransactItem:
    """The update that frees the slot, with the values of its condition and the `messages` stored by then."""
    return update(
        table,
        lease_key(slot),
        # What still waits, less MAX_WAITING: each one taken or withdrawn has raised the ceiling by one.
        "SET messages = :messages, pendingLiveMessages = accepted - ceiling, lastRunId = :run "
        "REMOVE runId, holder, untilMs, stopReason, seq, accepted, ceiling, savedSeq, reservedSeq, "
        f"{_OF_A_RUN}",
        condition,
        **values,
    )


def stop_requested(table: str, slot: Slot, run_id: str, reason: StopReason) -> TransactItem:
    """The update that asks a run to stop; the first reason holds."""
    return update(
        table,
        lease_key(slot),
        "SET stopReason = if_not_exists(stopReason, :reason)",
        "runId = :run",
        reason=reason,
        run=run_id,
    )


def still_held(table: str, lease: Lease) -> TransactItem:
    """The part of a transaction that refuses it unless the lease is still held."""
    return check_that(table, lease_key(lease.run.slot), IS_HOLDER, **holder_values(lease))


def holder_values(lease: Lease) -> Item:
    """The values of the condition `IS_HOLDER`."""
    return {"run": lease.run.id, "holder": lease.holder}
