"""The event log: numbered, gap-free, append-only streams of events, kept for 24 hours.

An item holds a batch: `pk` the stream, `sk` the zero-padded number of the batch's last event, `first` the
number of its first, `data` the events' JSON joined by newlines. `read` is one consistent query from any
number on. A run's stream has one writer, fenced by the run's lease; `append` is for streams with many.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import orjson

from millrace.domain.events import TERMINAL, Event, Logged
from millrace.stores.dynamo import ConditionFailed, Dynamo, TransactItem, put, update

KEPT_SECONDS = 24 * 3600
ITEM_BYTES = 300_000
FAST_POLL, SLOW_POLL = 0.1, 1.0
_END = "9" * 12


def encode(seq: int, event: Event) -> Logged:
    """Numbers an event and encodes it, once for the log and the wire. One that is too large for an item
    keeps its type and says so."""
    data = orjson.dumps(event)
    if len(data) > ITEM_BYTES:
        event = _shortened(event)
        data = orjson.dumps(event)
    return Logged(seq, event["type"], event, data)


def number(seq: int, events: list[Event]) -> list[Logged]:
    """Numbers and encodes the events that follow on `seq`."""
    return [encode(seq + n, event) for n, event in enumerate(events, 1)]


def _shortened(event: Event) -> Event:
    room = ITEM_BYTES // (8 * len(event))
    cut = {name: value[:room] if isinstance(value, str) else value for name, value in event.items()}
    small = {
        name: value for name, value in cut.items() if len(orjson.dumps(value)) < ITEM_BYTES // len(event)
    }
    return small | {"truncated": True}


class EventLog:
    """Streams in one DynamoDB table."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    def puts(self, stream: str, events: Iterable[Logged]) -> list[TransactItem]:
        """The writes that append these events, for a transaction whose fence is the caller's business."""
        return [self._put(stream, batch) for batch in _batches(events)]

    def _put(self, stream: str, batch: list[Logged]) -> TransactItem:
        item = {
            "pk": stream,
            "sk": f"{batch[-1].seq:012d}",
            "first": batch[0].seq,
            "data": b"\n".join(event.data for event in batch),
            "expiresAt": int(time.time()) + KEPT_SECONDS,
        }
        return put(self._table, item, new=True)

    async def head(self, stream: str) -> int:
        """The number of the last event of a stream that has many writers; 0 for an empty one."""
        item = await self._dynamo.get(self._table, {"pk": stream, "sk": "HEAD"})
        return item["seq"] if item else 0

    async def append(self, stream: str, events: list[Event]) -> int:
        """Appends to a stream that has many writers; returns the last event's number."""
        seq = await self.head(stream)
        while True:
            logged = number(seq, events)
            try:
                await self._dynamo.transact(*self.appends(stream, seq, logged))
            except ConditionFailed as refused:
                head = refused.items.get(0)
                seq = head["seq"] if head else await self.head(stream)
                continue
            return logged[-1].seq

    def appends(
        self, stream: str, seq: int, logged: list[Logged], head_seconds: int = KEPT_SECONDS
    ) -> list[TransactItem]:
        """The writes that append to a stream that has many writers, for a transaction that is refused unless
        the stream's last event is `seq`. Numbers begin again when nothing came for `head_seconds`."""
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

    async def read(self, stream: str, after: int = 0, limit: int = 0) -> list[Logged]:
        """The events with numbers above `after`, in order; with `limit`, those of at most so many items."""
        items = await self._dynamo.query(
            self._table,
            "pk = :stream AND sk BETWEEN :begin AND :end",
            limit=limit,
            stream=stream,
            begin=f"{after + 1:012d}",
            end=_END,
        )
        now = time.time()
        return [
            event
            for item in items
            if item["expiresAt"] > now
            for event in _unpack(item["first"], item["data"])
            if event.seq > after
        ]

    async def tail(
        self, stream: str, after: int, may_grow: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[list[Logged], None]:
        """Batches of events as they are logged, up to the run's own `done` or `error`. Polls fast while
        events come and slower when idle. `may_grow` is asked after an empty read whether the writer is still
        there: after a no, what is left is read and the tail ends."""
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
                growing = await may_grow()
                wait = min(wait * 1.5, SLOW_POLL) if growing else 0
            await asyncio.sleep(wait)


def is_last(event: Logged) -> bool:
    """Whether a run's stream ends with this event (a sub-agent's end is not the run's)."""
    return event.type in TERMINAL and "parent" not in event.event


def _batches(events: Iterable[Logged]) -> list[list[Logged]]:
    batches: list[list[Logged]] = []
    size = ITEM_BYTES
    for event in events:
        size += len(event.data) + 1
        if size > ITEM_BYTES or not batches:
            batches.append([])
            size = len(event.data) + 1
        batches[-1].append(event)
    return batches


def _unpack(first: int, data: bytes) -> list[Logged]:
    found = []
    for seq, line in enumerate(data.split(b"\n"), first):
        event = orjson.loads(line)
        found.append(Logged(seq, event["type"], event, line))
    return found
