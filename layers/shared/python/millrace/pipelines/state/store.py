"""Everything that the engine needs of a database, and an implementation in memory.

Each key has blocks, which are only appended and deleted, and one register, which is written only if its
version is still the one that was read. A key is `W#organization#pipeline#stepHash#start`.
"""

from itertools import count
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote

from msgspec import Struct

from millrace.pipelines.event import Event


class Key(NamedTuple):
    """`step` is the step's hash, so that an edited definition never uses old state; `part` divides a step's
    state, for example by the start of a window."""

    organization: str
    pipeline: str
    step: str
    part: str

    def __str__(self) -> str:
        return "#".join(["W", *(quote(name, safe="") for name in self)])

    @classmethod
    def parse(cls, text: str) -> "Key":
        return cls(*map(unquote, text.split("#")[1:]))


class Register(Struct, frozen=True):
    """`due` is the time at which a sweep should check it (epoch ms), or None."""

    data: bytes
    version: int
    due: int | None = None


class Write(NamedTuple):
    """A register to set; see `Store.write`."""

    key: Key
    data: bytes
    version: int
    expires: int


class Store(Protocol):
    """A database. Every read is strongly consistent, and every call may be repeated."""

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        """Append blocks of at most 350 KB, which may be deleted from `expires` (epoch ms) on."""

    def blocks(self, key: Key) -> list[tuple[str, bytes]]:
        """Return all blocks of the key from every shard, each with a reference."""

    def delete(self, key: Key, references: list[str]) -> None:
        """Delete blocks. Unknown references are ignored."""

    def read(self, key: Key) -> Register | None:
        """Return the key's register, or None."""

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        """Set the register (at most 400 KB) to version + 1 if it is still at `version` (0: absent)."""

    def read_many(self, keys: list[Key]) -> dict[Key, Register]:
        """Return the registers that exist for different keys, each read separately."""

    def write_many(self, writes: list[Write]) -> list[Key]:
        """Set registers of different keys, each as `write` does, and return the keys of those that were not
        set.

        After a crash, only some may be set.
        """

    def count(self, key: Key, more: int) -> int:
        """Add to a counter and return it. It is only a hint, as a repeated call counts twice."""

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        """Return (due, key) of the registers that are due before a time, oldest first."""


class Agenda(Protocol):
    """The part of a store that a sweep uses."""

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        """See `Store.due`."""


class Alarm(Protocol):
    """The part of an outbox that a sweep uses."""

    def timer(self, key: Key, at: int) -> None:
        """See `Outputs.timer`."""


class Outputs(Protocol):
    """The outputs of the engine: at least once, in any order."""

    def timer(self, key: Key, at: int) -> None:
        """Request a call of `fire` for the key at a time (epoch ms)."""

    def send(self, key: Key, events: list[Event]) -> None:
        """Pass results to the steps after the one that the key belongs to."""

    def late(self, key: Key, events: int) -> None:
        """Count events that came after their window had closed."""


class MemoryStore:
    """A store for tests, dry runs and the command line."""

    def __init__(self) -> None:
        self._blocks: dict[Key, dict[str, bytes]] = {}
        self._registers: dict[Key, Register] = {}
        self._counters: dict[Key, int] = {}
        self._references = count()

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        stored = self._blocks.setdefault(key, {})
        stored.update((f"{next(self._references):012d}", block) for block in blocks)

    def blocks(self, key: Key) -> list[tuple[str, bytes]]:
        return list(self._blocks.get(key, {}).items())

    def delete(self, key: Key, references: list[str]) -> None:
        stored = self._blocks.get(key, {})
        for reference in references:
            stored.pop(reference, None)
        if not stored:
            self._blocks.pop(key, None)

    def read(self, key: Key) -> Register | None:
        return self._registers.get(key)

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        stored = self._registers.get(key)
        if (stored.version if stored else 0) != version:
            return False
        self._registers[key] = Register(data, version + 1, due)
        return True

    def read_many(self, keys: list[Key]) -> dict[Key, Register]:
        return {key: register for key in keys if (register := self.read(key))}

    def write_many(self, writes: list[Write]) -> list[Key]:
        return [write.key for write in writes if not self.write(*write)]

    def count(self, key: Key, more: int) -> int:
        self._counters[key] = self._counters.get(key, 0) + more
        return self._counters[key]

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        waiting = [(stored.due, key) for key, stored in self._registers.items() if stored.due is not None]
        return sorted(entry for entry in waiting if entry[0] < before)[:limit]
