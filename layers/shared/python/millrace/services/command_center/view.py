"""A viewer's side of the command center: a snapshot, and the events that follow it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.command_center import Filters, center_stream
from millrace.domain.events import LogEntry
from millrace.services.command_center.record import Recorder

PAGE = 50
FAST_POLL, SLOW_POLL = 0.1, 3.3
FAST_SECONDS = 1.0
"""Seconds between polls: short while events arrive and for this long after the last one, then growing.

Each poll is billed.
"""
# The stream ends before the function does, so that the viewer reconnects with the last id it has seen.
DEADLINE_MARGIN = 3.0
HEARTBEAT_SECONDS = 5.0
SNAPSHOT_TRIES = 5
MAX_RUNS = 1000


async def snapshot(recorder: Recorder, organization: str, filters: Filters) -> dict[str, Any]:
    """Return the active runs and the id to stream from: `{since, runs, alerts, truncated}`.

    The runs are as of `since`, or slightly later while many events arrive. A viewer may then see some events
    again, but misses none.
    """
    for _ in range(SNAPSHOT_TRIES):
        since = await recorder.records.head(organization)
        live, (rules, states) = await asyncio.gather(
            recorder.records.live(organization), recorder.alerts.standing(organization)
        )
        if await recorder.records.head(organization) == since:
            break
    runs = sorted(
        (one.view for one in live if filters.admits_run(one.view)), key=lambda run: str(run["startedAt"])
    )
    on = [rule for rule in rules if rule.id in states and states[rule.id].triggered]
    return {
        "since": since,
        "runs": runs[:MAX_RUNS],
        "alerts": [
            {"ruleId": rule.id, "name": rule.name, "triggeredAt": states[rule.id].triggered_at} for rule in on
        ],
        "truncated": len(runs) > MAX_RUNS,
    }


class Viewer(Struct, frozen=True):
    """A connected viewer: its filters, the deadline of its function (monotonic; None: no end), and a check
    for disconnection."""

    filters: Filters
    deadline: float | None = None
    disconnected: Callable[[], Awaitable[bool]] | None = None

    async def stays(self) -> bool:
        """Return whether to keep streaming.

        The stream ends shortly before the function does; the client reconnects and resumes.
        """
        if self.deadline is not None and time.monotonic() > self.deadline - DEADLINE_MARGIN:
            return False
        return self.disconnected is None or not await self.disconnected()


async def watch(
    recorder: Recorder, organization: str, viewer: Viewer, after: int | None
) -> AsyncGenerator[list[LogEntry], None]:
    """Yield the organization's events after a number (None: from now on) that match the viewer's filters.

    Each is sent once and in order. The first frame, and a frame whenever events were filtered out for a
    while, is a heartbeat with an id, so that a viewer that received no events can also resume.
    """
    stream = center_stream(organization)
    head = await recorder.records.head(organization)
    # A number above the head is invalid, or the stream has started over. The viewer would see nothing.
    at = head if after is None else min(after, head)
    yield [_heartbeat(at)]
    sent = seen = time.monotonic()
    wait = FAST_POLL
    while await viewer.stays():
        events = await recorder.records.log.read(stream, at, limit=PAGE)
        if events:
            shown = _admitted(viewer.filters, at, events)
            at, wait, seen = events[-1].seq, FAST_POLL, time.monotonic()
            if not shown and time.monotonic() - sent > HEARTBEAT_SECONDS:
                shown = [_heartbeat(at)]
            if shown:
                yield shown
                sent = time.monotonic()
        if len(events) < PAGE:
            await asyncio.sleep(wait)
            if time.monotonic() - seen > FAST_SECONDS:
                wait = min(wait * 1.5, SLOW_POLL)


def _admitted(filters: Filters, after: int, events: list[LogEntry]) -> list[LogEntry]:
    admitted = [event for event in events if filters.admit(event.event)]
    return [_gap(after, events[0].seq), *admitted] if events[0].seq > after + 1 else admitted


def _heartbeat(seq: int) -> LogEntry:
    return LogEntry(seq, "heartbeat", {"type": "heartbeat"}, b'{"type":"heartbeat"}')


def _gap(after: int, first: int) -> LogEntry:
    """Return the event for a gap: events have expired while the viewer was away, so it takes a new
    snapshot."""
    event = {"type": "resync", "missed": first - 1 - after}
    return LogEntry(first - 1, "resync", event, orjson.dumps(event))
