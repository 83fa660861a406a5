"""What a viewer of the command center gets: a snapshot, and the events from there on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from millrace.domain.command_center import Filters, center_stream
from millrace.domain.events import Logged
from millrace.services.record import Recorder

PAGE = 50
FAST_POLL, SLOW_POLL = 0.1, 0.5
DEADLINE_MARGIN = 3.0
MARK_SECONDS = 5.0
SNAPSHOT_TRIES = 5
MAX_RUNS = 1000


async def snapshot(recorder: Recorder, organization: str, filters: Filters) -> dict[str, Any]:
    """The runs under way and the id to stream from: `{since, runs, alerts, truncated}`. The runs are as of
    `since`, or, while many events come, a little later: a viewer then sees some of them again, and misses
    none."""
    since = await recorder.records.head(organization)
    for _ in range(SNAPSHOT_TRIES):
        live, rules, states = await asyncio.gather(
            recorder.records.live(organization),
            recorder.alerts.rules(organization),
            recorder.alerts.states(organization),
        )
        now = await recorder.records.head(organization)
        if now == since:
            break
        since, seen = now, since
    else:
        since = seen
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


async def watch(
    recorder: Recorder, organization: str, filters: Filters, after: int | None, deadline: float | None = None
) -> AsyncGenerator[list[Logged], None]:
    """The organisation's events after a number (None: from now on) that the filters admit, each once and in
    order. Ends shortly before `deadline` (monotonic): the client comes back and resumes.

    The first frame, and one whenever events were passed over for a while, is a heartbeat with an id: a viewer
    that has seen nothing yet, or nothing for long, also resumes where it was."""
    stream = center_stream(organization)
    at = await recorder.records.head(organization) if after is None else after
    yield [_mark(at)]
    marked, wait = time.monotonic(), FAST_POLL
    while deadline is None or time.monotonic() < deadline - DEADLINE_MARGIN:
        events = await recorder.records.log.read(stream, at, limit=PAGE)
        if events and events[0].seq > at + 1:
            yield [_gap(at, events[0].seq)]
        admitted = [event for event in events if filters.admit(event.event)]
        if events:
            at, wait = events[-1].seq, FAST_POLL
        if admitted:
            yield admitted
            marked = time.monotonic()
        elif events and time.monotonic() - marked > MARK_SECONDS:
            yield [_mark(at)]
            marked = time.monotonic()
        if len(events) < PAGE:
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, SLOW_POLL)


def _mark(seq: int) -> Logged:
    return Logged(seq, "heartbeat", {"type": "heartbeat"}, b'{"type":"heartbeat"}')


def _gap(after: int, first: int) -> Logged:
    """Events that have passed out of the log while the viewer was away: it takes a new snapshot."""
    event = {"type": "resync", "missed": first - 1 - after}
    return Logged(first - 1, "resync", event, orjson.dumps(event))
