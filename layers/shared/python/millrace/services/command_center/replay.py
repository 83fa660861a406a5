"""The last day of an organization's command center, from any time on."""

from typing import NamedTuple

from millrace.domain.command_center import Filters, center_stream
from millrace.domain.events import Event, LogEntry
from millrace.services.command_center.record import Recorder

BATCHES = 200
"""The maximum number of logged batches read for one page."""


class Span(NamedTuple):
    """Recording times in epoch milliseconds. None is unbounded."""

    since: int | None = None
    until: int | None = None


async def replay(
    recorder: Recorder, organization: str, filters: Filters, span: Span, after: int | None, limit: int
) -> tuple[list[Event], int | None]:
    """Return at most `limit` events in the order of recording, and the number to continue after.

    The number is None at the end of the span or of the recording so far. A page may be empty although more
    follow.
    """
    if after is None:
        after = await recorder.records.seek(organization, span.since or 0)
    entries = await recorder.records.log.read(center_stream(organization), after, limit=BATCHES)
    events: list[Event] = []
    for entry in entries:
        if _is_after(entry, span.until):
            return events, None
        after = entry.seq
        if filters.admit(entry.event):
            events.append(entry.event)
        if len(events) == limit:
            return events, after
    return events, after if entries else None


def _is_after(entry: LogEntry, until: int | None) -> bool:
    return until is not None and entry.at > until
