"""The event log: numbered, append-only streams of events, kept for 24 hours.

Numbers only increase. They skip after a takeover, because the dead process may have sent out more events than
it logged.

An item holds a batch of events: `pk` is the stream, `sk` the zero-padded number of the batch's last event,
`first` the number of its first, `data` the events' JSON joined by newlines, and `times` when each was
numbered (see `log_items`). An event that exceeds an item is stored alone: `parts` is the number of items with
its JSON, of which the second and later ones have the keys `<number>.0001` and so on. `read` is one consistent
query from any number on. A run's stream has one writer, which the run's lease fences; `append` is for streams
with many writers.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any

import orjson

from millrace.domain.events import TERMINAL, Event, LogEntry
from millrace.domain.portions import portions
from millrace.errors import Unavailable
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    delete,
    put,
    put_when,
    to_item,
    update,
)
from millrace.stores.log_items import (
    ITEM_BYTES,
    KEPT_SECONDS,
    chunked,
    has_gap,
    parts_missing,
    to_items,
    unpack,
    whole,
)

EVENT_BYTES = 1_500_000
"""The maximum size of one event as JSON."""
REWRITES = 8
"""Attempts to rewrite an event while its neighbors are also being rewritten."""
FAST_POLL, SLOW_POLL = 0.1, 1.0
_END = "9" * 12
_new = tuple.__new__


def encode(seq: int, event: Event) -> LogEntry:
    """Number an event and encode it once, for both the log and the wire.

    An event over `EVENT_BYTES` is replaced by a note of the same type.
    """
    # `kept_json` inlined, because this runs for every token and slow clients keep many results in memory.
    data = b"%b" % orjson.dumps(event)
    if len(data) > EVENT_BYTES:
        event = _shortened(event)
        data = orjson.dumps(event)
    # This runs for every token, so it avoids the calls of `now_ms` and of LogEntry's constructor.
    return _new(LogEntry, (seq, event["type"], event, data, time.time_ns() // 1_000_000))


def number(seq: int, events: list[Event]) -> list[LogEntry]:
    """Number and encode the events that follow event `seq`."""
    return [encode(seq + n, event) for n, event in enumerate(events, 1)]


def _shortened(event: Event) -> Event:
    room = EVENT_BYTES // (2 * len(event))
    cut = {
        name: _cut(value, EVENT_BYTES // 2) if isinstance(value, str) else value
        for name, value in event.items()
    }
    if len(orjson.dumps(cut)) > EVENT_BYTES:
        cut = {name: _cut(value, room) if isinstance(value, str) else value for name, value in cut.items()}
    small = {name: value if _is_small(value, room) else _empty(value) for name, value in cut.items()}
    return small | {"truncated": True}


def _is_small(value: Any, room: int) -> bool:
    return isinstance(value, str) or len(orjson.dumps(value)) <= room


def _empty(value: Any) -> Any:
    return {} if isinstance(value, dict) else []


def _cut(text: str, room: int) -> str:
    """Truncate a text so that its JSON has at most `room` bytes; a character has at most six."""
    return text if len(orjson.dumps(text)) <= room else text[: room // 6]


def _batches(events: list[LogEntry]) -> Iterable[list[LogEntry]]:
    """Split the events into as few batches as possible, usually one."""
    if events and sum([len(event.data) + 1 for event in events]) <= ITEM_BYTES:
        return [events]
    return portions(events, lambda event: len(event.data) + 1, ITEM_BYTES)


class EventLog:
    """Streams in one DynamoDB table."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    def puts(self, stream: str, events: Iterable[LogEntry]) -> list[TransactItem]:
        """Return the writes that append these events, for a transaction with the caller's own fence."""
        return [
            put(self._table, item, new=True)
            for batch in _batches(list(events))
            for item in to_items(stream, batch)
        ]

    async def head(self, stream: str) -> int:
        """Return the number of the last event of a stream with many writers, or 0 if it is empty."""
        item = await self._dynamo.get(self._table, {"pk": stream, "sk": "HEAD"})
        return item["seq"] if item else 0

    async def append(self, stream: str, events: list[Event]) -> int:
        """Append to a stream with many writers, and return the last event's number."""
        seq = await self.head(stream)
        while True:
            logged = number(seq, events)
            try:
                await self._dynamo.transact(*self.appends(stream, seq, logged))
            except ConditionFailed as error:
                # The refusal includes the present head, which saves a read.
                head = error.items.get(0)
                seq = head["seq"] if head else await self.head(stream)
                continue
            return logged[-1].seq

    def appends(
        self, stream: str, seq: int, logged: list[LogEntry], head_seconds: int = KEPT_SECONDS
    ) -> list[TransactItem]:
        """Return the writes that append to a stream with many writers, for a transaction.

        They are refused unless the stream's last event is `seq`. Numbers start over if nothing is appended
        for `head_seconds`.
        """
        return [self._move_head(stream, seq, logged[-1].seq, head_seconds), *self.puts(stream, logged)]

    def _move_head(self, stream: str, seq: int, new: int, head_seconds: int) -> TransactItem:
        return update(
            self._table,
            {"pk": stream, "sk": "HEAD"},
            "SET seq = :new, expiresAt = :expires",
            "seq = :old OR (:old = :none AND attribute_not_exists(pk))",
            new=new,
            old=seq,
            none=0,
            expires=int(time.time()) + head_seconds,
        )

    async def read(self, stream: str, after: int = 0, limit: int = 0) -> list[LogEntry]:
        """Return the events with numbers above `after`, in order; with `limit`, from at most that many
        items."""
        events = await self._read(stream, after, limit)
        # A query may see only a part of a transaction that is being committed. The next one sees all of it.
        return await self._read(stream, after, limit) if has_gap(after, events) else events

    async def _read(self, stream: str, after: int, limit: int) -> list[LogEntry]:
        items = await self._from(stream, after + 1, limit)
        now = time.time()
        # DynamoDB deletes expired items within days, not immediately.
        alive = [item for item in items if item["expiresAt"] > now]
        return [event for head, data in whole(alive) for event in unpack(head, data) if event.seq > after]

    async def _from(self, stream: str, seq: int, limit: int) -> list[Item]:
        """Return the items from an event on.

        With `limit`, return that many items plus the remaining parts of the last event.
        """
        items = await self._query(stream, f"{seq:012d}", limit)
        if limit and items and (missing := parts_missing(items)):
            items += await self._query(stream, f"{items[-1]['sk']} ", missing)
        return items

    async def _query(self, stream: str, begin: str, limit: int) -> list[Item]:
        return await self._dynamo.query(
            self._table,
            "pk = :stream AND sk BETWEEN :begin AND :end",
            limit=limit,
            stream=stream,
            begin=begin,
            end=_END,
        )

    async def rewrite(self, stream: str, seq: int, change: Callable[[Event], Event]) -> None:
        """Replace an event with a changed one, unless it has expired.

        Raises `Unavailable` if others keep rewriting its neighbors.
        """
        for _ in range(REWRITES):
            items = await self._from(stream, seq, 1)
            if not items or await self._rewrite(items, seq, change):
                return
        raise Unavailable("The events are being changed; try again.", retry_after=1)

    async def _rewrite(self, items: list[Item], seq: int, change: Callable[[Event], Event]) -> bool:
        """Return False if the items of the batch have changed since they were read.

        A neighboring event may have been rewritten, and that must not be undone.
        """
        for head, data in whole(items):
            events = unpack(head, data)
            changed = [encode(seq, change(one.event)) if one.seq == seq else one for one in events]
            try:
                await self._dynamo.transact(*self._replacing(items, b"\n".join(one.data for one in changed)))
            except ConditionFailed:
                return False
            return True
        return False  # a part is missing because it is being rewritten

    def _replacing(self, items: list[Item], data: bytes) -> list[TransactItem]:
        """Return the writes that replace a batch's data, if its items are as they were read.

        The first item counts its revisions.
        """
        head, seen = items[0], items[0].get("revision", 0)
        about: Item = {name: head[name] for name in ("first", "expiresAt", "times") if name in head}
        first, *rest = chunked(head["pk"], int(head["sk"]), data, about)
        unchanged = "revision = :seen OR (:seen = :zero AND attribute_not_exists(revision))"
        condition = f"attribute_exists(pk) AND ({unchanged})"
        new = put_when(self._table, first | {"revision": seen + 1}, condition, seen=seen, zero=0)
        left = [{"pk": old["pk"], "sk": old["sk"]} for old in items[1 + len(rest) :]]
        return [
            new,
            *(put(self._table, part) for part in rest),
            *(delete(self._table, key, existing=False) for key in left),
        ]

    async def delete(self, stream: str) -> None:
        """Delete a stream that nobody writes any more, page by page."""
        while keys := await self._keys(stream):
            await self._dynamo.delete_all(self._table, keys)

    async def _keys(self, stream: str) -> list[Item]:
        """Return the keys of the stream's first items, as many as one DynamoDB query returns."""
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            KeyConditionExpression="pk = :stream",
            ExpressionAttributeValues=to_item({":stream": stream}),
            ProjectionExpression="pk, sk",
            ConsistentRead=True,
        )
        return items

    async def tail(
        self, stream: str, after: int, longest_wait: Callable[[], Awaitable[float | None]]
    ) -> AsyncGenerator[list[LogEntry], None]:
        """Yield batches of events as they are logged, up to the run's own `done` or `error`.

        Polls quickly while events arrive and more slowly when idle. After an empty read, `longest_wait`
        returns the maximum number of seconds until the next one, or None if there is no writer any more; then
        the remaining events are read and the generator ends.
        """
        wait, growing = FAST_POLL, True
        while True:
            events = await self.read(stream, after)
            if events:
                yield events
                if any(is_last(event) for event in events):
                    return
                after, wait = events[-1].seq, FAST_POLL
            elif not growing:
                return
            else:
                longest = await longest_wait()
                growing = longest is not None
                wait = min(wait * 1.5, SLOW_POLL, longest or 0)
            await asyncio.sleep(wait)


def is_last(event: LogEntry) -> bool:
    """Return whether a run's stream ends with this event. The end of a sub-agent does not end the run."""
    return event.type in TERMINAL and "parent" not in event.event
