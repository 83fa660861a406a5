"""Batches of logged events as items of a table. See `event_log` for their attributes."""

import time
from collections.abc import Iterable, Iterator
from itertools import accumulate
from operator import sub

import orjson

from millrace.domain.events import LogEntry
from millrace.stores.dynamo import Item

KEPT_SECONDS = 24 * 3600
# DynamoDB rejects items above 400 KB. The difference leaves room for the keys.
ITEM_BYTES = 300_000


def to_items(stream: str, batch: list[LogEntry]) -> list[Item]:
    """Return the items of a batch: one, or the parts of its only event."""
    times = _to_times([event.at for event in batch])
    about = {"first": batch[0].seq, "expiresAt": int(time.time()) + KEPT_SECONDS, "times": times}
    return chunked(stream, batch[-1].seq, b"\n".join(event.data for event in batch), about)


def chunked(stream: str, seq: int, data: bytes, about: Item) -> list[Item]:
    chunks = [data[at : at + ITEM_BYTES] for at in range(0, len(data), ITEM_BYTES)]
    about |= {"parts": len(chunks)} if len(chunks) > 1 else {}
    return [
        {"pk": stream, "sk": _sort_key(seq, part), "data": chunk} | about for part, chunk in enumerate(chunks)
    ]


def _sort_key(seq: int, part: int) -> str:
    return f"{seq:012d}.{part:04d}" if part else f"{seq:012d}"


def _part_of(item: Item) -> int:
    return int(item["sk"].partition(".")[2] or 0)


def parts_missing(items: list[Item]) -> int:
    """Return the number of items of the last event that a limited read has left out."""
    return int(items[-1].get("parts", 1)) - 1 - _part_of(items[-1])


def has_gap(after: int, events: list[LogEntry]) -> bool:
    return bool(events) and events[-1].seq - after != len(events)


def whole(items: list[Item]) -> Iterator[tuple[Item, bytes]]:
    """Yield each batch of these items with its last item, up to one with a missing part."""
    parts: list[bytes] = []
    for item in items:
        if _part_of(item) != len(parts):
            return
        parts.append(item["data"])
        if len(parts) == item.get("parts", 1):
            yield item, b"".join(parts)
            parts = []


def unpack(item: Item, data: bytes) -> list[LogEntry]:
    lines = data.split(b"\n")
    found = []
    for seq, (line, at) in enumerate(
        zip(lines, _from_times(item.get("times"), len(lines)), strict=True), item["first"]
    ):
        event = orjson.loads(line)
        found.append(LogEntry(seq, event["type"], event, line, at))
    return found


def _to_times(times: Iterable[int]) -> str:
    """Return epoch milliseconds as a short text: the first one, then the differences."""
    known = list(times)
    return ",".join(map(str, map(sub, known, [0, *known])))


def _from_times(text: str | None, count: int) -> list[int]:
    """Return the times of `count` events; zeros for a batch stored before times were recorded."""
    return list(accumulate(map(int, text.split(",")))) if text else [0] * count
