"""The blocks that the last firing covered, for windows with too many of them for META.

A day's window may have tens of thousands. They are stored in blocks of their own, which count once META names
their generation (`spilled`).
"""

from collections.abc import Iterator

from msgspec.structs import replace

from millrace.pipelines.state.meta import KEEP_MS, Digests, Meta
from millrace.pipelines.state.store import Key, Store

MOST = 8_000
"""The maximum in META; at 11 bytes each, a write costs at most 90 units."""
_BLOCK_BYTES = 320_000
_GENERATION = _MARK = 8


def covered_by(store: Store, key: Key, meta: Meta) -> Digests:
    """Return the digests of the blocks that the last completed firing has covered."""
    if not meta.spilled:
        return meta.covered
    return frozenset(digest for _, block in _blocks(store, key, meta.spilled) for digest in _digests(block))


def cover(store: Store, key: Key, firing: Meta, digests: Digests, now: int) -> Meta:
    """Return the firing with the blocks that it covered, to be written to META."""
    if len(digests) <= MOST:
        return replace(firing, covered=digests, spilled=0)
    head, packed = firing.generation.to_bytes(_GENERATION, "little"), b"".join(sorted(digests))
    pieces = [packed[at : at + _BLOCK_BYTES] for at in range(0, len(packed), _BLOCK_BYTES)]
    store.append(_place(key), [head + piece for piece in pieces], now + KEEP_MS)
    return replace(firing, covered=frozenset(), spilled=firing.generation)


def uncover(store: Store, key: Key, before: Meta, generation: int) -> None:
    """Delete what firings before that generation spilled, once META no longer names them.

    After a crash, the next firing does it.
    """
    if before.spilled:
        blocks = store.blocks(_place(key))
        store.delete(_place(key), [name for name, block in blocks if _generation(block) < generation])


def _place(key: Key) -> Key:
    return key._replace(part=f"covered-{key.part}")


def _blocks(store: Store, key: Key, generation: int) -> list[tuple[str, bytes]]:
    return [each for each in store.blocks(_place(key)) if _generation(each[1]) == generation]


def _generation(block: bytes) -> int:
    return int.from_bytes(block[:_GENERATION], "little")


def _digests(block: bytes) -> Iterator[bytes]:
    return (block[at : at + _MARK] for at in range(_GENERATION, len(block), _MARK))
