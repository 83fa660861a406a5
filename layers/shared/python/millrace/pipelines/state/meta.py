"""A window's META register: its state, its closer, and what the last firing covered."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.pipelines.state.store import Key, Outputs, Register, Store

State = Literal["OPEN", "FIRING", "FIRED", "CLOSING", "CLOSED"]
Digests = frozenset[bytes]
# The function that fires ends after 60 seconds, so an expired lease has no living holder.
LEASE_MS = 60_000
KEEP_MS = 15 * 86_400_000  # longer than SQS keeps a message; anything later may start anew
_RETRY_MS = 1_000


class Meta(Struct, frozen=True):
    """A window's state.

    `generation` counts firings that began. `fired_at` and `covered` (block hashes) belong to the last one
    that ended; if there are too many, `spilled` is its generation, see `covered_by`. For sessions,
    `announced` are the generations whose entries in the book count, and `unended` those of them that may have
    sent only a part. `due` is when to fire; for FIRING it is the lease's end, for FIRED when the window may
    be closed, and for CLOSING and CLOSED it means that something is left to do.
    """

    state: State = "OPEN"
    due: int | None = None
    generation: int = 0
    fired_at: int | None = None
    covered: Digests = frozenset()
    announced: tuple[int, ...] = ()
    unended: tuple[int, ...] = ()
    spilled: int = 0
    version: int = 0

    def encode(self) -> bytes:
        sessions = self.announced, self.unended
        covered = _packed(self.covered)
        return orjson.dumps([self.state, self.generation, self.fired_at, covered, *sessions, self.spilled])


def decode(register: Register) -> Meta:
    state, generation, fired_at, covered, announced, unended, spilled = orjson.loads(register.data)
    return Meta(
        state,
        register.due,
        generation,
        fired_at,
        _unpacked(covered),
        tuple(announced),
        tuple(unended),
        spilled,
        register.version,
    )


def _packed(digests: Digests) -> str:
    return b64encode(b"".join(sorted(digests))).decode()


def _unpacked(text: str) -> Digests:
    raw = b64decode(text)
    return frozenset(raw[at : at + 8] for at in range(0, len(raw), 8))


def read_meta(store: Store, key: Key) -> Meta | None:
    register = store.read(key)
    return decode(register) if register else None


def kept_until(now: int, due: int) -> int:
    """Return the time (epoch ms) from which a record written now may be deleted, long after it was due."""
    return max(now, due) + KEEP_MS


def write_meta(store: Store, key: Key, meta: Meta, now: int) -> Meta | None:
    """Return the new meta, or None if another writer was faster."""
    written = store.write(key, meta.encode(), meta.version, kept_until(now, meta.due or 0), meta.due)
    return replace(meta, version=meta.version + 1) if written else None


def digest(reference: str) -> bytes:
    """Return a digest of a block's reference, in 8 bytes."""
    return blake2b(reference.encode(), digest_size=8).digest()


def digests(references: Iterable[str]) -> Digests:
    """Return the digests of some blocks."""
    return frozenset(map(digest, references))


def acquire(store: Store, outputs: Outputs, key: Key, meta: Meta, now: int) -> Meta | None:
    """Return the lease to fire with the next generation, or None (and set a timer) if another process has
    it."""
    if meta.state == "FIRING" and meta.due is not None and meta.due > now:
        outputs.timer(key, meta.due)
        return None
    firing = replace(meta, state="FIRING", generation=meta.generation + 1, due=now + LEASE_MS)
    taken = write_meta(store, key, firing, now)
    if taken is None:
        outputs.timer(key, now + _RETRY_MS)
    return taken
