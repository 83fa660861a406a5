"""The book of one part of a session window: what was sent for each session, and which sessions are final.

It is append-only. Results are recorded before they are sent, and count only once META names them
(`announced`), so a closer that lost its lease in between has sent nothing and its records are ignored. If a
closer crashes later, it is unknown what it sent, until another one sends or retracts the same sessions.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import orjson
from msgspec import Struct

from millrace.domain.json_bytes import kept_json
from millrace.domain.portions import portions
from millrace.pipelines.state.store import Key, Store

Anchors = dict[bytes, int]
"""For each group, the time of the last event of its last final session."""
SessionId = tuple[bytes, int]
"""The group, and the time of the first event."""
Sent = dict[SessionId, int | None]
"""The number of events in the latest result of a session: 0 for a retraction, None if unknown."""
Kind = Literal["anchors", "known", "sending"]
Record = tuple[Kind, int, list[list[Any]]]
_BLOCK_BYTES = 250_000
_LONG_BLOCKS = 32


class Book(Struct, frozen=True):
    """A book as its closer has read it.

    `sent` has the current results, and `unsure` those that a closer which never ended may or may not have
    sent.
    """

    key: Key
    anchors: Anchors
    sent: Sent
    unsure: set[SessionId]
    blocks: list[str]
    bytes: int

    @property
    def is_long(self) -> bool:
        """True if it has many more blocks than it would have if it were rewritten."""
        return len(self.blocks) > _LONG_BLOCKS + 2 * self.bytes // _BLOCK_BYTES


def read_book(store: Store, key: Key, announced: Iterable[int], unended: Iterable[int]) -> Book:
    """Read the book, after taking the lease. `announced` and `unended` are generations, see `Meta`."""
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
    """Return the latest entry of each session.

    Later generations win, and within a generation, what it sent wins over what it knew.
    """
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
    """Record what is about to be sent, to be kept for `keep_ms`. Return False if there is nothing to record.

    A long book is rewritten, so that the blocks that were read can be deleted once META refers to the new
    ones.
    """
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
    """Return blocks that DynamoDB accepts, however long the groups are."""
    written = portions(map(kept_json, entries), lambda entry: len(entry) + 1, _BLOCK_BYTES)
    return [orjson.dumps([kind, generation, list(map(orjson.Fragment, portion))]) for portion in written]
