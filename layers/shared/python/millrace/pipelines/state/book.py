"""The book of one part of a session window: what was sent of each session, and which sessions are final.

It is only appended to. What is about to be sent is written down first; only then META says that it counts
(`announced`), so a closer that lost its lease in between has sent nothing and is not believed. Of one that
crashed later it is unknown what it sent, until another one sends or retracts the same sessions.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import orjson
from msgspec import Struct

from millrace.domain.json_bytes import kept_json
from millrace.domain.portions import portions
from millrace.pipelines.state.store import Key, Store

Anchors = dict[bytes, int]
"""Per group, the time of the last event of its last final session."""
SessionId = tuple[bytes, int]
"""The group, and the time of the first event."""
Sent = dict[SessionId, int | None]
"""Events in the latest result of a session: 0 for a retraction; None where that is unknown."""
Kind = Literal["anchors", "known", "sending"]
Record = tuple[Kind, int, list[list[Any]]]
_BLOCK_BYTES = 250_000
_LONG_BLOCKS = 32


class Book(Struct, frozen=True):
    """A book as its closer has read it: results that stand (`sent`), and those of them that a closer which
    never ended may or may not have sent (`unsure`)."""

    key: Key
    anchors: Anchors
    sent: Sent
    unsure: set[SessionId]
    blocks: list[str]
    bytes: int

    @property
    def is_long(self) -> bool:
        """True if it has many more blocks than it would have if it were written anew."""
        return len(self.blocks) > _LONG_BLOCKS + 2 * self.bytes // _BLOCK_BYTES


def read_book(store: Store, key: Key, announced: Iterable[int], unended: Iterable[int]) -> Book:
    """Read it, after the lease is taken. `announced` and `unended` are generations, see `Meta`."""
    blocks = store.blocks(key)
    records: list[Record] = [orjson.loads(block) for _, block in blocks]
    anchors = _anchors(records)
    sent, unsure = _sent([each for each in records if each[1] in announced], unended)
    standing = {id: count for id, count in sent.items() if count != 0 and not _is_final(id, anchors)}
    names = [name for name, _ in blocks]
    size = sum(len(block) for _, block in blocks)
    return Book(key, anchors, standing, unsure & standing.keys(), names, size)


def _anchors(records: list[Record]) -> Anchors:
    anchors: Anchors = {}
    for kind, _, entries in records:
        for text, time in entries if kind == "anchors" else ():
            key = text.encode()
            anchors[key] = max(time, anchors.get(key, time))
    return anchors


def _sent(records: list[Record], unended: Iterable[int]) -> tuple[Sent, set[SessionId]]:
    """The latest entry of each session: of later generations, and of one what it sent rather than knew."""
    sent: Sent = {}
    unsure: set[SessionId] = set()
    for kind, generation, entries in sorted(records, key=lambda each: (each[1], each[0] == "sending")):
        if kind == "anchors":
            continue
        counts: Sent = {(text.encode(), start): count for text, start, count in entries}
        if kind == "sending" and generation in unended:
            sent.update(dict.fromkeys(counts))
            unsure.update(counts)
        else:
            sent.update(counts)
            unsure.difference_update(counts)
    return sent, unsure


def _is_final(id: SessionId, anchors: Anchors) -> bool:
    anchor = anchors.get(id[0])
    return anchor is not None and id[1] <= anchor


def write_down(store: Store, book: Book, generation: int, sending: Sent, now: int, keep_ms: int) -> bool:
    """Write down what is about to be sent, to be kept for that time; False if there is nothing to say. A long
    book is written anew, so that the blocks that were read are of no use any more once META says so."""
    known: Sent = book.sent if book.is_long else dict.fromkeys(book.unsure)
    left = {id: count for id, count in known.items() if id not in sending}
    blocks = [*_pack("known", generation, _entries(left)), *_pack("sending", generation, _entries(sending))]
    if book.is_long:
        blocks += pack_anchors({group: time for group, time in book.anchors.items() if time > now - keep_ms})
    if blocks:
        store.append(book.key, blocks, now + keep_ms)
    return bool(blocks)


def _entries(sent: Sent) -> Iterator[list[Any]]:
    return ([group.decode(), start, count] for (group, start), count in sent.items())


def pack_anchors(anchors: Anchors) -> list[bytes]:
    return _pack("anchors", 0, ([group.decode(), time] for group, time in anchors.items()))


def _pack(kind: Kind, generation: int, entries: Iterable[list[Any]]) -> list[bytes]:
    """As blocks that DynamoDB takes, however long the groups are."""
    written = portions(map(kept_json, entries), lambda entry: len(entry) + 1, _BLOCK_BYTES)
    return [orjson.dumps([kind, generation, list(map(orjson.Fragment, portion))]) for portion in written]
