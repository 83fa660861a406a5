"""Runs apart from their streams: lists of runs, and a run's events with their times."""

from typing import Any

from msgspec.structs import replace

from millrace.domain.access import Principal, missing_scope
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.domain.events import Detail, LogEntry
from millrace.domain.projection import project
from millrace.domain.runs import Run
from millrace.services.runs.access import authorize
from millrace.stores.connect import Stores
from millrace.stores.runs import RunFilter, RunPosition, stream_of


async def list_runs(
    stores: Stores, caller: Principal, wanted: RunFilter, limit: int, after: RunPosition | None
) -> tuple[list[Run], RunPosition | None]:
    """Return a page of runs, and the position of the next one.

    The list covers the organization for observers, or a conversation for those who may read it; otherwise
    only the caller's own runs. Raises `Forbidden` or `NotFound`.
    """
    if wanted.conversation_id is not None:
        await authorize(stores, caller, Slot.of(caller.organization, wanted.conversation_id), "read")
    elif not (caller.may("observe") or caller.may("conversations:manage")):
        if wanted.user not in (None, caller.id):
            raise missing_scope(caller, "observe")
        wanted = replace(wanted, user=caller.id)
    return await stores.runs.page(caller.organization, wanted, limit, after)


async def timed_events(
    stores: Stores, run: Run, after: int, limit: int, detail: Detail
) -> tuple[list[dict[str, Any]], int | None]:
    """Return the events of a run after a number as a viewer sees them, with their times, and the next number.

    The next number is None if there are no more at present. The log is kept for 24 hours. `limit` counts
    logged batches.
    """
    entries = await stores.log.read(stream_of(run.slot.organization, run.id), after, limit)
    shown = (_timed(run.id, entry, project(entry.event, detail)) for entry in entries)
    more = entries[-1].seq if entries and run.last_seq != entries[-1].seq else None
    return [one for one in shown if one], more


def _timed(run_id: str, entry: LogEntry, event: dict[str, Any] | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "id": str(EventId(run_id, entry.seq)),
        "time": iso(entry.at) if entry.at else None,
        "event": event,
    }
