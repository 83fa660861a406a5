"""Runs between two processes: the holder parks the lease or dies, and another process takes it over."""

from collections.abc import Sequence
from contextlib import suppress

from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import Clock
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.runs import NUMBERS_AT_ONCE, WATCH_MS, LeaseRecord, Parked, Progress, Run
from millrace.errors import Unavailable
from millrace.stores.approvals import ApprovalStore
from millrace.stores.dynamo import ConditionFailed, Dynamo, TransactItem, update
from millrace.stores.event_log import EventLog
from millrace.stores.lease_record import (
    IS_HOLDER,
    Lease,
    LeaseLost,
    holder_values,
    lease_key,
    packed,
    still_held,
    to_lease,
)
from millrace.stores.messages import MessageStore, in_history
from millrace.stores.runs import RunStore

NOTICED_MS = 10_000
"""A process that notices a run without a process enqueues it, unless another has within this time."""


class TakeoverStore:
    """The writes by which a run moves from one process to the next."""

    def __init__(
        self,
        dynamo: Dynamo,
        table: str,
        messages: MessageStore,
        runs: RunStore,
        approvals: ApprovalStore,
        log: EventLog,
        clock: Clock,
    ) -> None:
        self._dynamo = dynamo
        self._table = table
        self._messages = messages
        self._runs = runs
        self._approvals = approvals
        self._log = log
        self._clock = clock

    async def park(
        self,
        lease: Lease,
        run: Run,
        reason: Parked,
        until_ms: int,
        events: list[LogEntry],
        messages: list[StoredMessage],
        *,
        saved: int = 0,
        failed: bool = False,
        calls: Sequence[WaitingCall] = (),
    ) -> None:
        """Leave a run to another process.

        One transaction stores its last events and messages, and the `calls` that begin to wait. See
        `_parked`. Raises `LeaseLost` or `Stopping`.
        """
        seq, stored = events[-1].seq if events else lease.seq, lease.messages + in_history(messages)
        heads, parts = self._messages.puts(run.slot, lease.messages + 1, messages, lease.holder)
        fence = _parked(
            self._table, lease, reason, until_ms, seq=seq, messages=stored, saved=saved, failed=failed
        )
        writes = [
            fence,
            *self._log.puts(lease.stream, events),
            *heads,
            self._runs.put(run, until_ms=until_ms),
        ]
        writes += self._approvals.requests(calls)
        try:
            await self._messages.transact(still_held(self._table, lease), writes, parts)
        except ConditionFailed as error:
            if 0 not in error.items:
                raise
            record = to_lease(error.items[0])
            done = record.run_id == run.id and (record.parked, record.seq) == (reason, seq)
            if not done:  # otherwise only the answer of the first attempt was lost
                lease.check_may_go_on(record)
                raise LeaseLost(run.id) from error

    async def take_over(
        self,
        run: Run,
        seen: LeaseRecord,
        holder: str,
        events: list[LogEntry],
        progress: Progress,
        attempts: int,
    ) -> Lease | None:
        """Take over a run that no process works on, with its first `events`, which are already in the
        history.

        Return None if another process was faster, or the run has ended.
        """
        seq = events[-1].seq if events else seen.seq
        lease = Lease(
            run,
            holder,
            seq=seq,
            messages=seen.messages,
            reserved=seq + NUMBERS_AT_ONCE,
            saved=seq if events else seen.saved,
            drained=seen.drained,
            watched_ms=seen.watched_ms,
            accepted=seen.accepted,
            progress=progress,
            branched=not seen.tree.is_line,
        )
        fence = _taken_over(self._table, lease, seen, attempts, self._clock())
        try:
            await self._dynamo.transact(fence, *self._log.puts(lease.stream, events), self._runs.put(run))
        except ConditionFailed:
            return None
        except Unavailable:
            stored = to_lease(await self._dynamo.get(self._table, lease_key(run.slot)))
            if stored.holder != holder:
                raise
            # The run was taken over; only the answer was lost.
        return lease

    async def notice(self, slot: Slot, seen: LeaseRecord) -> bool:
        """Return whether the caller has to enqueue this run without a process, as the first to notice it."""
        try:
            await self._dynamo.write(_noticed(self._table, slot, seen, self._clock(), NOTICED_MS))
        except ConditionFailed:
            return False
        return True

    async def watch(self, slot: Slot, seen: LeaseRecord) -> None:
        """Record that somebody watches the run of a lease, at most twice a minute."""
        until = self._clock() + WATCH_MS
        if seen.run_id is None or seen.watched_ms > until - WATCH_MS // 2:
            return
        # Nothing depends on this write: without it, the death of the run's process is only detected a little
        # later.
        with suppress(ConditionFailed, Unavailable):
            await self._dynamo.write(_watched(self._table, slot, seen.run_id, until))


def _parked(
    table: str,
    lease: Lease,
    reason: Parked,
    until_ms: int,
    *,
    seq: int,
    messages: int,
    saved: int,
    failed: bool,
) -> TransactItem:
    """Return the update with which the holder leaves a run to another process.

    It continues at `until_ms`, or earlier on request. `failed` means that this process has stored no step.
    The update is refused for a run that has to stop.
    """
    return update(
        table,
        lease_key(lease.run.slot),
        "SET seq = :seq, reservedSeq = :seq, untilMs = :until, messages = :messages, savedSeq = :saved, "
        "progress = :progress, parked = :parked, attempts = if_not_exists(attempts, :zero) + :failed "
        "REMOVE holder, noticedMs",
        f"{IS_HOLDER} AND seq = :seen AND messages = :kept AND attribute_not_exists(stopReason)",
        seq=seq,
        seen=lease.seq,
        kept=lease.messages,
        until=until_ms,
        messages=messages,
        saved=max(saved, lease.saved),
        progress=packed(lease.progress),
        parked=reason,
        zero=0,
        failed=int(failed),
        **holder_values(lease),
    )


def _taken_over(table: str, lease: Lease, seen: LeaseRecord, attempts: int, now: int) -> TransactItem:
    """Return the update with which a process takes over an abandoned run as `lease`.

    It is refused if the lease is not as it was `seen`.
    """
    nobody = "attribute_not_exists(holder)" if seen.holder is None else "holder = :old"
    old = {"old": seen.holder} if seen.holder else {}
    return update(
        table,
        lease_key(lease.run.slot),
        "SET holder = :holder, untilMs = :until, seq = :seq, reservedSeq = :reserved, savedSeq = :saved, "
        "attempts = :attempts, progress = :progress REMOVE parked, noticedMs",
        f"runId = :run AND {nobody} AND untilMs = :was AND seq = :seen",
        until=now + lease.lease_ms(now),
        seq=lease.seq,
        reserved=lease.reserved,
        saved=lease.saved,
        attempts=attempts,
        progress=packed(lease.progress),
        was=seen.until_ms,
        seen=seen.seq,
        **old,
        **holder_values(lease),
    )


def _noticed(table: str, slot: Slot, seen: LeaseRecord, now: int, again_ms: int) -> TransactItem:
    """Return the update that records that a run has no process.

    It is refused if another process did so within `again_ms`, or the run continues.
    """
    return update(
        table,
        lease_key(slot),
        "SET noticedMs = :now",
        "runId = :run AND untilMs = :was AND (attribute_not_exists(noticedMs) OR noticedMs < :before)",
        now=now,
        run=seen.run_id,
        was=seen.until_ms,
        before=now - again_ms,
    )


def _watched(table: str, slot: Slot, run_id: str, until_ms: int) -> TransactItem:
    """Return the update that records a viewer of a run until `until_ms`."""
    return update(
        table, lease_key(slot), "SET watchedMs = :until", "runId = :run", until=until_ms, run=run_id
    )
