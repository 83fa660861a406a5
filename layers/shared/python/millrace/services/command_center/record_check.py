"""The check of every minute for things without an event: silent runs, and alerts whose window has passed."""

import logging

from millrace.domain.clock import from_iso
from millrace.domain.events import Event
from millrace.domain.record import Subject
from millrace.domain.runs import LEASE_MS
from millrace.errors import MillraceError, NotFound, is_transient
from millrace.services.command_center.alerts import evaluate
from millrace.services.command_center.record import Recorder, record
from millrace.services.runs.recover import notice_lost_run
from millrace.services.runs.run_events import LAST_NUMBER, missed_end, to_bus

log = logging.getLogger(__name__)
ENDED_AT_ONCE = 25
"""Of one transaction: each run takes two of its 100 items."""


async def check(recorder: Recorder, organization: str, live: list[Subject]) -> list[Event]:
    """Record the end of active runs whose last event was lost with their process or the bus.

    The ends are also published for pipelines. Then evaluate the alerts. Return the recorded events.
    """
    ends = [await _checked(recorder, organization, one) for one in live]
    missed = [end for end in ends if end]
    recorded = [
        event
        for start in range(0, len(missed), ENDED_AT_ONCE)
        for event in await _end_all(recorder, organization, missed[start : start + ENDED_AT_ONCE])
    ]
    return recorded + await evaluate(recorder, organization)


async def notice_lost_runs(recorder: Recorder, organization: str, live: list[Subject]) -> None:
    """Enqueue an organization's active runs whose process has died on the run queue."""
    for one in live:
        await _checked(recorder, organization, one)


async def _checked(recorder: Recorder, organization: str, subject: Subject) -> Event | None:
    """Return the end of a silent run, if it has ended.

    A run that cannot be checked is logged and left for the next minute, so that it delays neither other runs
    nor alerts.
    """
    try:
        # An event that is younger than a lease shows that the process is alive, so most runs cost no read.
        if recorder.clock() - from_iso(subject.view["lastEventAt"]) <= LEASE_MS:
            return None
        return await _end_of(recorder, organization, subject)
    except Exception:
        log.exception("run %s cannot be checked", subject.id)
        return None


async def _end_all(recorder: Recorder, organization: str, ends: list[Event]) -> list[Event]:
    """Publish and record the ends of runs, and return those recorded.

    If this fails, halves are tried separately, so that only the faulty one is left out.
    """
    try:
        # first, so that pipelines do not miss any either
        await recorder.bus.put([to_bus(end) for end in ends])
        await record(recorder, organization, ends)
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("the ends of %d runs cannot be recorded together", len(ends))
        middle = len(ends) // 2
        halves = (ends[:middle], ends[middle:]) if middle else ()
        return [event for half in halves for event in await _end_all(recorder, organization, half)]
    return ends


async def _end_of(recorder: Recorder, organization: str, subject: Subject) -> Event | None:
    """Return the end of a run that is over, or None while it continues.

    A run whose process has died is enqueued on the run queue, so that another process continues it.
    """
    stores = recorder.stores
    try:
        run = await stores.runs.get(organization, subject.id)
        if run.ended_at is None:
            lease = await stores.leases.peek(run.slot)
            if lease.run_id == run.id:
                if lease.lost(recorder.clock()):
                    await notice_lost_run(stores, run.slot, lease)
                return None
            # The run may have ended between the two reads, in the transaction that freed its lease.
            run = await stores.runs.get(organization, subject.id)
    except NotFound:
        return _lost_end(organization, subject)
    except MillraceError as error:
        log.warning("run %s cannot be checked now: %s", subject.id, error.message)
        return None
    return missed_end(run) if run.ended_at else _lost_end(organization, subject)


def _lost_end(organization: str, subject: Subject) -> Event:
    """Return the end of a run that is not stored (any more)."""
    view = subject.view
    error = {"message": "The run is not stored any more.", "code": "deleted", "retryable": False}
    return {
        "id": f"{subject.id}:{LAST_NUMBER}",
        "type": "run:error",
        "time": view["lastEventAt"],
        "organization": organization,
        "runId": subject.id,
        "agentId": view["agentId"],
        "agentName": view["agentName"],
        "conversationId": view["conversationId"],
        "status": "failed",
        "error": error,
    }
