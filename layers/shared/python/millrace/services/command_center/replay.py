"""The last day of an organization's command center, from any time on."""

from typing import NamedTuple

from millrace.domain.command_center import Filters, center_stream
from millrace.domain.events import Event, LogEntry
from millrace.services.command_center.record import Recorder

BATCHES = 200
"""Logged batches that one page looks at."""


class Span(NamedTuple):
    """Times of recording, in milliseconds since 1970; None is open."""

    since: int | None = None
    until: int | None = None


async def replay(
    recorder: Recorder, organization: str, filters: Filters, span: Span, after: int | None, limit: int
) -> tuple[list[Event], int | None]:
    """Return events in the order in which they were recorded, at most `limit`, and the number to go on from
    (None: the span, or what is recorded by now, is over). A page may hold none and yet not be the last."""
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
