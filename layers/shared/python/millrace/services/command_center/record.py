"""Recording of events from the bus in each organization's command center, exactly once.

Bus and queue deliver at least once and in any order, and several environments record concurrently. All
changes of a batch are one transaction on the stream's head. A process that loses the race reads again.
"""

import asyncio
import random

from msgspec import Struct, field

from millrace.domain.alerts_metrics import Bucket, bucket_of, count
from millrace.domain.clock import Clock, now_ms
from millrace.domain.command_center import DELETED
from millrace.domain.events import Event
from millrace.domain.record import Subject, apply, as_recorded, placed, split_id
from millrace.errors import Unavailable
from millrace.services.command_center.quiet import Quiet
from millrace.settings import Settings
from millrace.stores.alerts import AlertStore
from millrace.stores.aws import Aws
from millrace.stores.bus import EventBus
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed, Dynamo
from millrace.stores.queues import Queue
from millrace.stores.record import RecordStore

TRIES = 12


class Recorder(Struct, frozen=True):
    """The resources that recording, alerts and viewers need."""

    records: RecordStore
    alerts: AlertStore
    bus: EventBus
    stores: Stores
    queue: Queue
    clock: Clock
    quiet: Quiet = field(default_factory=Quiet)

    @classmethod
    def connect(cls, settings: Settings, stores: Stores | None = None, clock: Clock = now_ms) -> "Recorder":
        """Create the recorder without making a call."""
        stores = stores or Stores.connect(settings, clock=clock)
        aws: Aws = stores.aws
        records = RecordStore(Dynamo(aws), settings.events_table)
        queue = Queue(aws, settings.record_queue_url)
        return cls(records, AlertStore(aws, settings.alerts_table), stores.bus, stores, queue, clock)


async def record(recorder: Recorder, organization: str, events: list[Event]) -> list[Event]:
    """Record validated events of one organization, and return those that were new.

    Raises `Unavailable` if others keep writing; the queue delivers the events again.
    """
    # Do this first: the check of every minute visits only active organizations, so a crash after recording
    # would leave this one out.
    await recorder.alerts.note_active(organization, recorder.clock())
    for attempt in range(TRIES):
        try:
            return await _record_once(recorder, organization, events)
        except ConditionFailed:
            await asyncio.sleep(random.uniform(0, min(0.5, 0.01 * 2**attempt)))
    raise Unavailable("Conflicting concurrent writes to the organization's stream; retry.", retry_after=1)


async def _record_once(recorder: Recorder, organization: str, events: list[Event]) -> list[Event]:
    # Read the head first: everything read afterwards is as of this number, or the commit is refused.
    seq = await recorder.records.head(organization)
    now = recorder.clock()
    subjects, buckets = await asyncio.gather(
        _subjects(recorder, organization, events), _buckets(recorder, organization, events, now)
    )
    fresh = [event for event in sorted(events, key=_sort_key) if apply(subjects[_subject(event)], event)]
    if not fresh:
        return []
    counted = _counted(buckets, fresh, now)
    changed = [subjects[name] for name in {_subject(event) for event in fresh}]
    recorded = await _without_deleted(recorder, organization, seq, fresh, subjects)
    await recorder.records.commit(organization, seq, recorded, changed, counted)
    return recorded


async def _without_deleted(
    recorder: Recorder, organization: str, seq: int, fresh: list[Event], subjects: dict[str, Subject]
) -> list[Event]:
    """Return the events after `seq` as they are to be recorded.

    For a deleted run, the texts are removed from events already recorded and from new ones.
    """
    for event in fresh:
        if event["type"] == DELETED:
            subject = subjects[_subject(event)]
            # Do this before the commit, after which the event counts as seen. After a crash the queue repeats
            # both.
            await recorder.records.forget_texts(organization, subject)
            subject.texts = []
    recorded = [as_recorded(subjects[_subject(event)], event) for event in fresh]
    for number, event in enumerate(recorded, seq + 1):
        placed(subjects[_subject(event)], event, number)
    return recorded


async def _subjects(recorder: Recorder, organization: str, events: list[Event]) -> dict[str, Subject]:
    names = list({_subject(event) for event in events})
    found = await asyncio.gather(*(recorder.records.subject(organization, name) for name in names))
    return dict(zip(names, found, strict=True))


async def _buckets(recorder: Recorder, organization: str, events: list[Event], now: int) -> dict[int, Bucket]:
    """Return the buckets that these events may belong to."""
    starts = sorted({start for event in events if (start := bucket_of(event, now)) is not None})
    known = await asyncio.gather(*(recorder.records.bucket(organization, start) for start in starts))
    return dict(zip(starts, known, strict=True))


def _counted(buckets: dict[int, Bucket], events: list[Event], now: int) -> dict[int, Bucket]:
    """Return the buckets that these events belong to, with the events added."""
    changed: dict[int, Bucket] = {}
    for event in events:
        if (start := bucket_of(event, now)) is not None:
            changed[start] = buckets[start]
            count(changed[start], event)
    return changed


def _subject(event: Event) -> str:
    return split_id(event["id"])[0]


def _sort_key(event: Event) -> tuple[str, int]:
    """Return a sort key that groups the events of a run in the order in which they were created."""
    return _subject(event), split_id(event["id"])[1]
