"""A window's META register: which state it is in, who is firing it, and what the last firing covered."""

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
# The function that fires ends after 60 seconds, so a lease that has run out has no living holder.
LEASE_MS = 60_000
KEEP_MS = 15 * 86_400_000  # longer than SQS keeps a message: what comes after may begin anew
_RETRY_MS = 1_000


class Meta(Struct, frozen=True):
    """`generation` counts firings that began; `fired_at` and `covered` (block hashes) belong to the last one
    that ended; where those are too many, `spilled` is its generation, see `covered_by`. Of sessions,
    `announced` are the generations whose entries in the book count, and `unended` those of them that may have
    sent only a part. `due`: when to fire; for FIRING the lease's end, for FIRED when it may be closed, for
    CLOSING and CLOSED that something is left to do."""

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
    """The time (epoch ms) from which what is written now may vanish: long after it was due."""
    return max(now, due) + KEEP_MS


def write_meta(store: Store, key: Key, meta: Meta, now: int) -> Meta | None:
    """The meta as it now stands; None if another was faster."""
    written = store.write(key, meta.encode(), meta.version, kept_until(now, meta.due or 0), meta.due)
    return replace(meta, version=meta.version + 1) if written else None


def digest(reference: str) -> bytes:
    """A digest of a block's reference, in 8 bytes."""
    return blake2b(reference.encode(), digest_size=8).digest()


def digests(references: Iterable[str]) -> Digests:
    """The digests of some blocks."""
    return frozenset(map(digest, references))


def acquire(store: Store, outputs: Outputs, key: Key, meta: Meta, now: int) -> Meta | None:
    """The lease to fire, with the next generation; None (and a timer) where somebody else has it."""
    if meta.state == "FIRING" and meta.due is not None and meta.due > now:
        outputs.timer(key, meta.due)
        return None
    firing = replace(meta, state="FIRING", generation=meta.generation + 1, due=now + LEASE_MS)
    taken = write_meta(store, key, firing, now)
    if taken is None:
        outputs.timer(key, now + _RETRY_MS)
    return taken
