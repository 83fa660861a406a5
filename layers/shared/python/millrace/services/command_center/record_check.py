"""The look of every minute at what no event tells of: runs that fell silent, alerts whose window passed."""

import logging

from millrace.domain.clock import from_iso
from millrace.domain.events import Event
from millrace.domain.record import Subject
from millrace.domain.runs import LEASE_MS
from millrace.errors import MillraceError, NotFound
from millrace.services.command_center.alerts import evaluate
from millrace.services.command_center.record import Recorder, record
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_events import LAST_NUMBER, missed_end, to_bus

log = logging.getLogger(__name__)


async def check(recorder: Recorder, organization: str) -> list[Event]:
    """Ends in the command center the runs that have ended unseen (their last event was lost with their
    process, or with the bus), also for pipelines, then looks at the alerts. Returns the events recorded."""
    now = recorder.clock()
    ends = []
    for subject in await recorder.records.live(organization):
        if now - from_iso(subject.view["lastEventAt"]) > LEASE_MS:
            ends.append(await _end_of(recorder, organization, subject))
    missed = [end for end in ends if end]
    if missed:
        await recorder.bus.put([to_bus(end) for end in missed])  # first, so that pipelines miss none either
        await record(recorder, organization, missed)
    return missed + await evaluate(recorder, organization)


async def _end_of(recorder: Recorder, organization: str, subject: Subject) -> Event | None:
    """The end of a run that is over; None while it goes on. A run whose process is gone is given up."""
    stores = recorder.stores
    try:
        run = await stores.runs.get(organization, subject.id)
        if run.ended_at is None:
            lease = await stores.leases.peek(run.slot)
            lost = lease.lost(recorder.clock())
            if lease.run_id == run.id and not (lost and await give_up_lost_run(stores, run.slot, lease)):
                return None
            run = await stores.runs.get(organization, subject.id)
    except NotFound:
        return _gone(organization, subject)
    except MillraceError as problem:
        log.warning("run %s cannot be looked at now: %s", subject.id, problem.message)
        return None
    return missed_end(run) if run.ended_at else _gone(organization, subject)


def _gone(organization: str, subject: Subject) -> Event:
    """A run that is not stored (any more) has no other end."""
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
