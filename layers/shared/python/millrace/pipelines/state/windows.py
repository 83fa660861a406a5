"""Tumbling and sliding windows: the windows of an event, and the results of a firing.

Windows are half-open, [start, start + size), aligned to the epoch plus `offset`. A sliding window hops: an
event is stored once, in a pane of gcd(size, slide), and a firing merges panes.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import gcd

from msgspec import Struct

from millrace.pipelines.definitions.steps import WindowConfig
from millrace.pipelines.event import Event
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.meta import Digests, digest, digests
from millrace.pipelines.state.outputs import output_id, window_event
from millrace.pipelines.state.rows import Rows, merge, unpack
from millrace.pipelines.state.store import Key, Store

LAG_FACTOR = 5
Buckets = dict[int, Sequence[int]]


class Scope(Struct, frozen=True):
    """The owner of a state, which is part of every key."""

    organization: str
    pipeline: str
    step: str

    def key(self, part: str | int) -> Key:
        return Key(self.organization, self.pipeline, self.step, str(part))


def buckets_of(buckets: Iterable[int]) -> Buckets:
    """Return the row numbers in each bucket."""
    members: dict[int, list[int]] = {}
    for at, bucket in enumerate(buckets):
        members.setdefault(bucket, []).append(at)
    return {**members}


class Window(Struct, frozen=True, dict=True):
    """A compiled tumbling or sliding window step. All times are in epoch ms."""

    scope: Scope
    config: WindowConfig
    grouping: Grouping

    @cached_property
    def size(self) -> int:
        return self.config.size or 0

    @cached_property
    def slide(self) -> int:
        return self.config.interval

    @cached_property
    def pane(self) -> int:
        return gcd(self.size, self.slide)

    def bucket(self, time: int) -> int:
        """Return the start of the pane that keeps an event."""
        return (time - self.config.offset) // self.pane * self.pane + self.config.offset

    def buckets(self, rows: Rows) -> Buckets:
        """Return the rows that each pane keeps. Usually there is only one pane."""
        first = self.bucket(min(rows.times))
        if first == self.bucket(max(rows.times)):
            return {first: range(len(rows))}
        return buckets_of(map(self.bucket, rows.times))

    def owners(self, bucket: int) -> list[int]:
        """Return the starts of all windows with a pane, the first to end first."""
        last = (bucket - self.config.offset) // self.slide * self.slide + self.config.offset
        return [start for start in range(last, bucket - self.size, -self.slide)][::-1]

    def panes(self, start: int) -> range:
        return range(start, start + self.size, self.pane)

    def key(self, start: int) -> Key:
        return self.scope.key(start)

    @property
    def allowed_lateness(self) -> int:
        """The maximum lateness of an event, whatever its window."""
        return self.config.grace + self.config.allowed_lateness

    def is_late(self, time: int, ingested: int) -> bool:
        """Return whether an event came after the lateness of the last window that it belongs to."""
        end = self.owners(self.bucket(time))[-1] + self.size
        return ingested > end + self.config.grace + self.config.allowed_lateness

    def due(self, start: int, lag: int) -> int:
        """Return the time to fire: `grace` after the end, or the queue's lag, at most five times `grace`."""
        return start + self.size + max(self.config.grace, min(lag, LAG_FACTOR * self.config.grace))

    def closable(self, start: int) -> int:
        """Return the time after which every event is late, plus a quarter of an hour for those still on their
        way."""
        return start + self.size + self.config.grace + self.config.allowed_lateness + 900_000


class Contents(Struct, frozen=True):
    """The unpacked blocks of some keys."""

    grouping: Grouping
    blocks: list[tuple[Key, str, Rows]]

    def rows(self, covered: Digests | None = None) -> Rows:
        """Return all rows, each event once, or only those of the blocks with these digests."""
        chosen = [rows for _, name, rows in self.blocks if covered is None or digest(name) in covered]
        return merge(chosen, self.grouping.kinds, self.grouping.named)

    def digests(self) -> Digests:
        return digests(name for _, name, _ in self.blocks)

    def has_news(self, covered: Digests) -> bool:
        """Return whether any event is in none of those blocks (a repeated one may also be in a new block)."""
        return len(self.rows()) > len(self.rows(covered))


def read_contents(store: Store, keys: Iterable[Key], grouping: Grouping) -> Contents:
    """Read every block of the keys."""
    blocks = [(key, name, block) for key in keys for name, block in store.blocks(key)]
    unpacked = [(key, name, unpack(block, grouping.kinds, grouping.named)) for key, name, block in blocks]
    return Contents(grouping, unpacked)


def results(window: Window, start: int, rows: Rows, before: Rows, revision: int) -> Iterator[Event]:
    """Yield an event for each group with more rows than in the last firing.

    Rows are never removed, so an equal number means that the result is unchanged.
    """
    known = before.by_group()
    scope = window.scope
    for key, members in rows.by_group().items():
        if len(members) == len(known.get(key, ())):
            continue
        values, skipped = window.grouping.values(rows, members)
        event = window_event(
            scope.pipeline,
            output_id(scope.pipeline, scope.step, start, key),
            revision,
            (start, start + window.size),
            window.grouping.group(key),
            values,
            len(members),
            skipped,
        )
        event.hops = rows.hops
        yield event
