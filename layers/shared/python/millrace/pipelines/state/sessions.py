"""Session windows: for each group, events less than `gap` apart, cut where they exceed `maxDuration`.

State is stored by a hash of the group, so that everything about a session is in one place, whatever its
length. Once no accepted event can change a session any more, its group's anchor is set to its last event.
Everyone ignores rows up to the anchor from then on, so blocks can be deleted in any order.
"""

from collections.abc import Iterator, Sequence
from zlib import crc32

from msgspec import Struct

from millrace.pipelines.definitions.steps import WindowConfig
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.book import Anchors, Sent, SessionId
from millrace.pipelines.state.meta import KEEP_MS
from millrace.pipelines.state.outputs import output_id, window_event
from millrace.pipelines.state.rows import Rows
from millrace.pipelines.state.store import Key
from millrace.pipelines.state.windows import Buckets, Scope, buckets_of

# Another number would move groups to other parts, away from their rows and anchors.
PARTS = 16


class Session(Struct, frozen=True):
    """Rows of one group from `start` to `last` (both times of events)."""

    key: bytes
    start: int
    last: int
    members: list[int]

    @property
    def id(self) -> SessionId:
        return self.key, self.start


class SessionWindow(Struct, frozen=True):
    """A compiled session window step."""

    scope: Scope
    config: WindowConfig
    grouping: Grouping

    @property
    def gap(self) -> int:
        return self.config.silence

    def buckets(self, rows: Rows) -> Buckets:
        """Return the rows that each part keeps. A group is in one part at all times."""
        # Python salts `hash()` in each process, and all processes have to find the same part.
        parts = [crc32(key) % PARTS for key in rows.table]
        return buckets_of(map(parts.__getitem__, rows.groups))

    def owners(self, bucket: int) -> list[int]:
        return [bucket]

    def key(self, part: int) -> Key:
        return self.scope.key(f"session-{part}")

    def book_key(self, part: Key) -> Key:
        """Return the key of a part's book, given the key of its rows."""
        return self.scope.key(part.part.replace("session", "book"))

    @property
    def allowed_lateness(self) -> int:
        """The maximum lateness of an event."""
        return self.gap + self.config.grace + self.config.allowed_lateness

    def is_late(self, time: int, ingested: int) -> bool:
        return ingested > time + self.allowed_lateness

    def due(self, last: int) -> int:
        """Return the time at which a session with this last event has certainly ended, except for late
        events."""
        return last + self.gap + self.config.grace

    def settles(self, session: Session) -> int:
        """Return the time from which no accepted event can change it: one that could extend it would itself
        be late."""
        return self.due(session.last) + self.gap + self.config.allowed_lateness + 900_000

    @property
    def keep_ms(self) -> int:
        """The time after an event for which the records of its session are kept.

        It covers the longest session that the event may be in until that has settled, and then the time that
        applies to all windows.
        """
        longest = Session(b"", 0, self.config.max_duration, [])
        return self.settles(longest) + KEEP_MS

    def final(self, session: Session, now: int) -> bool:
        return self.settles(session) < now


def sessions(window: SessionWindow, rows: Rows, anchors: Anchors) -> Iterator[Session]:
    """Yield the sessions in the rows, which depend on the set of events but not on their order."""
    for key, members in rows.by_group().items():
        anchor = anchors.get(key)
        alive = [row for row in members if anchor is None or rows.times[row] > anchor]
        yield from _of_group(window, key, sorted(alive, key=rows.times.__getitem__), rows.times)


def _of_group(
    window: SessionWindow, key: bytes, ordered: list[int], times: Sequence[int]
) -> Iterator[Session]:
    members: list[int] = []
    for row in ordered:
        if members and _parted(window, times[members[0]], times[members[-1]], times[row]):
            yield Session(key, times[members[0]], times[members[-1]], members)
            members = []
        members.append(row)
    if members:
        yield Session(key, times[members[0]], times[members[-1]], members)


def _parted(window: SessionWindow, start: int, last: int, time: int) -> bool:
    return time - last >= window.gap or time - start >= window.config.max_duration


class Firing(Struct, frozen=True):
    """The results of a firing.

    `outputs` are events to send, `sending` their counts for each session, and `final` the sessions that are
    closed. `due` is the next session's end, and `settles` the time at which the next one closes.
    """

    outputs: list[Event]
    sending: Sent
    final: Anchors
    due: int | None
    settles: int | None


def results(
    window: SessionWindow,
    rows: Rows,
    anchors: Anchors,
    sent: Sent,
    revision: int,
    now: int,
    lag: int,
) -> Firing:
    """Return ended sessions that were not `sent` as they are, and retract those that do not exist any more.

    A late event may have moved or merged them. Retractions are first: wherever a closer crashes, no event is
    in two current results.
    """
    every = {each.id: each for each in sessions(window, rows, anchors)}
    over = {id: each for id, each in every.items() if window.due(each.last) <= now}
    gone = [Session(*id, id[1], []) for id in sent if id not in every]
    changed = [each for id, each in over.items() if sent.get(id) != len(each.members)]
    outputs = [_retraction(window, each, revision) for each in gone]
    outputs += [
        _event(window, each, revision, *window.grouping.values(rows, each.members)) for each in changed
    ]
    for output in outputs:
        output.hops = rows.hops
    sending: Sent = {each.id: len(each.members) for each in (*gone, *changed)}
    final = [each for each in over.values() if window.final(each, now - lag)]
    settling = [window.settles(each) for each in over.values() if not window.final(each, now - lag)]
    waiting = [window.due(each.last) for id, each in every.items() if id not in over]
    anchors_now = {each.key: each.last for each in sorted(final, key=lambda each: each.last)}
    return Firing(outputs, sending, anchors_now, min(waiting, default=None), min(settling, default=None))


def _retraction(window: SessionWindow, session: Session, revision: int) -> Event:
    """Return the retraction of a result: its id, without events."""
    event = _event(window, session, revision, {}, {})
    event.payload["retracted"] = True
    return event


def _event(
    window: SessionWindow,
    session: Session,
    revision: int,
    values: dict[str, Value],
    skipped: dict[str, int],
) -> Event:
    scope = window.scope
    return window_event(
        scope.pipeline,
        output_id(scope.pipeline, scope.step, session.start, session.key),
        revision,
        (session.start, session.last + window.gap),
        window.grouping.group(session.key),
        values,
        len(session.members),
        skipped,
    )
