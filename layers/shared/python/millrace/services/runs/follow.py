"""Following a run through its log, from any process."""

import time
from collections.abc import AsyncGenerator

from millrace.domain import events
from millrace.domain.clock import from_iso
from millrace.domain.events import LogEntry
from millrace.domain.runs import WATCH_MS, Run
from millrace.errors import NotFound
from millrace.services.runs.recover import notice_lost_run
from millrace.stores.connect import Stores
from millrace.stores.event_log import FAST_POLL, encode, is_last
from millrace.stores.log_items import KEPT_SECONDS
from millrace.stores.runs import stream_of

CHECK_SECONDS = 2.0
"""A viewer that gets no events checks the lease this often, or as soon as it is overdue."""
WATCH_SECONDS = WATCH_MS / 2000
"""A viewer announces itself immediately and then this often."""
WAITING_SECONDS = 300.0
"""A viewer of a run that waits for people is disconnected after this time and reconnects.

A function is not told when its client has disconnected, and every second of a function is billed.
"""
DEADLINE_MARGIN = 3.0


async def follow(
    stores: Stores, run: Run, after: int, deadline: float | None = None, *, stay: bool = False
) -> AsyncGenerator[list[LogEntry], None]:
    """Yield the run's events after a number, each once and in order, until its end. Empty if nothing is left.

    A run whose process died is enqueued on the run queue, and its events continue here when another process
    has taken it over. A deleted run ends with an error. Shortly before `deadline` (monotonic, the function's
    end) the events end without a last one, and the client reconnects and resumes.

    They also end with `waiting` while the run waits for people, unless `stay` is set. A client that
    reconnects after that event gets what follows the answers, and is disconnected for a moment if nothing
    arrives for a long time.
    """
    stream = stream_of(run.slot.organization, run.id)
    seen = time.monotonic()
    check_at = watch_at = float("-inf")

    async def longest_wait() -> float | None:
        nonlocal check_at, watch_at
        now = time.monotonic()
        if deadline and now > deadline - DEADLINE_MARGIN:
            return None
        if now - seen > WAITING_SECONDS and await _waits(stores, run):
            return None
        # Reading the lease with each poll would double its price, and a run that emits events is alive.
        if now < min(check_at, watch_at):
            return max(FAST_POLL, min(check_at, watch_at) - now)
        rest = await _check(stores, run)
        check_at, watch_at = now + (rest or CHECK_SECONDS), now + WATCH_SECONDS
        return rest if rest is None else max(rest, FAST_POLL)

    async for batch in stores.log.tail(stream, after, longest_wait):
        seen = time.monotonic()
        check_at = seen + CHECK_SECONDS
        yield batch
        if is_last(batch[-1]) or (deadline and seen > deadline - DEADLINE_MARGIN):
            return
        if not stay and batch[-1].type == "waiting" and await _waits(stores, run):
            return
    if await _is_deleted(stores, run):
        yield [encode(0, events.deleted())]
    elif _is_expired(stores, run, after):
        # With the last event's number, so that a client that reconnects with it gets nothing more of this
        # run.
        yield [encode(run.last_seq or 0, events.expired())]


async def _is_deleted(stores: Stores, run: Run) -> bool:
    if await stores.deletions.is_deleted(run.slot.root()):
        return True
    try:
        await stores.runs.get(run.slot.organization, run.id)
    except NotFound:
        return True
    return False


def _is_expired(stores: Stores, run: Run, after: int) -> bool:
    """Return whether the log may lack events after a number because they have expired."""
    if run.last_seq is None or run.ended_at is None or after >= run.last_seq:
        return False
    return stores.clock() - from_iso(run.ended_at) > 1000 * KEPT_SECONDS


async def has_more(stores: Stores, run: Run, after: int) -> bool:
    """Return whether `follow` would yield anything: events are left, or the run is still active.

    Raises `NotFound` if there were more events, which have expired.
    """
    if run.ended_at is None and await _check(stores, run) is not None:
        return True
    if await stores.log.read(stream_of(run.slot.organization, run.id), after, limit=1):
        return True
    if _is_expired(stores, run, after):
        raise NotFound(events.expired()["message"], code="run_expired")
    return False


async def _check(stores: Stores, run: Run) -> float | None:
    """Check the lease of a run, and record that somebody watches.

    Return the seconds until the next check, 0 if the run is overdue and its events should be awaited, or None
    if it has ended.
    """
    lease = await stores.leases.peek(run.slot)
    if lease.run_id != run.id:
        return None
    now = stores.clock()
    if lease.overdue(now):
        await notice_lost_run(stores, run.slot, lease)
    # A run that waits for people has no process whose lease could be short, and may be watched for days. A
    # lost run has a new process soon, which may also be lost.
    if lease.parked != "waiting":
        await stores.takeovers.watch(run.slot, lease)
    return max(0, min(CHECK_SECONDS, (lease.overdue_at - now) / 1000))


async def _waits(stores: Stores, run: Run) -> bool:
    """Return whether the run waits for people now. It may have been answered since its event was logged."""
    lease = await stores.leases.peek(run.slot)
    if lease.run_id != run.id or lease.parked != "waiting":
        return False
    return await stores.approvals.some_wait(run.slot, run.id, stores.clock())


async def outcome(stores: Stores, run: Run, deadline: float | None = None) -> list[LogEntry]:
    """Return all events of an idempotency key's run, once it has ended or waits for people.

    Until the `deadline` (on `time.monotonic()`'s scale), an active run is followed. Raises as `has_more`
    does, and `NotFound` if nothing is left.
    """
    found: list[LogEntry] = []
    if await has_more(stores, run, 0):
        found = [event async for batch in follow(stores, run, 0, deadline) for event in batch]
    if found and (is_last(found[-1]) or found[-1].type == "waiting"):
        return found
    if not found or (await stores.runs.get(run.slot.organization, run.id)).ended_at is not None:
        raise NotFound(
            "The run of this idempotency key ended long ago; its events are no longer kept.",
            code="run_expired",
        )
    return found
