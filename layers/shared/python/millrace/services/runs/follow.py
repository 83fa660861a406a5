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
"""A viewer to whom nothing comes looks at the lease after so long, and again; or as soon as it is overdue."""
WATCH_SECONDS = WATCH_MS / 2000
"""A viewer says at once that somebody watches, and again after so long."""
WAITING_SECONDS = 300.0
"""A viewer of a run that waits for people is sent away after so long, and comes back: nobody tells a function
that its client has gone, and each second of a function is paid."""
DEADLINE_MARGIN = 3.0


async def follow(
    stores: Stores, run: Run, after: int, deadline: float | None = None, *, stay: bool = False
) -> AsyncGenerator[list[LogEntry], None]:
    """The run's events after a number, each once and in order, to its end; empty when nothing is left. A run
    whose process is gone is put on the run queue, and goes on here when another process has taken it; one
    that is deleted ends with an error that says so. Shortly before `deadline` (monotonic, the function's own
    end) it ends without a last event: the client comes back and resumes.

    It also ends with `waiting` while the run waits for people, unless it is to `stay`. Who comes back after
    that event gets what follows the answers, and is sent away for a moment when nothing comes for long."""
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
        # Reading the lease at each poll would double its price, and a run that sends events is alive.
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
        # With the last event's number: whoever comes back with it has nothing more to hear of this run.
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
    """Return whether the log may lack events after a number because they are no longer kept."""
    if run.last_seq is None or run.ended_at is None or after >= run.last_seq:
        return False
    return stores.clock() - from_iso(run.ended_at) > 1000 * KEPT_SECONDS


async def has_more(stores: Stores, run: Run, after: int) -> bool:
    """Return whether `follow` would yield anything: events are left, or the run is still active. Raises
    `NotFound` if there were more events, which are no longer kept."""
    if run.ended_at is None and await _check(stores, run) is not None:
        return True
    if await stores.log.read(stream_of(run.slot.organization, run.id), after, limit=1):
        return True
    if _is_expired(stores, run, after):
        raise NotFound(events.expired()["message"], code="run_expired")
    return False


async def _check(stores: Stores, run: Run) -> float | None:
    """Look at the lease of a run, and say that somebody watches: the seconds until the next look, 0 where the
    run is overdue and its events are to be awaited, None when it is over."""
    lease = await stores.leases.peek(run.slot)
    if lease.run_id != run.id:
        return None
    now = stores.clock()
    if lease.overdue(now):
        await notice_lost_run(stores, run.slot, lease)
    # A run that waits for people has no process whose lease could be short, and may be watched for days. One
    # that is lost has a process soon, which may be lost as well.
    if lease.parked != "waiting":
        await stores.takeovers.watch(run.slot, lease)
    return max(0, min(CHECK_SECONDS, (lease.overdue_at - now) / 1000))


async def _waits(stores: Stores, run: Run) -> bool:
    """Return whether the run waits for people now: an answer may have come since its event was logged."""
    lease = await stores.leases.peek(run.slot)
    if lease.run_id != run.id or lease.parked != "waiting":
        return False
    return await stores.approvals.some_wait(run.slot, run.id, stores.clock())


async def outcome(stores: Stores, run: Run, deadline: float | None = None) -> list[LogEntry]:
    """Every event of the run of an idempotency key, once it has ended or waits for people, or those until the
    `deadline` (on `time.monotonic()`'s scale) while it goes on. Raises as `has_more`, and `NotFound` when
    nothing is left."""
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
