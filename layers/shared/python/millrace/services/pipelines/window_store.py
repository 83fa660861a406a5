"""The engine's `Store` on the table of windows."""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from millrace.pipelines.state.store import Key, Register, Write
from millrace.stores.registers import RegisterWrite
from millrace.stores.windows import WindowTable

log = logging.getLogger(__name__)


class WindowStore:
    """See `millrace.pipelines.state.store.Store`. A key's text begins with the organization."""

    def __init__(self, table: WindowTable) -> None:
        self._table = table

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        self._table.append(_store_key(key), blocks, expires)

    def blocks(self, key: Key) -> list[tuple[str, bytes]]:
        return self._table.blocks(_store_key(key))

    def delete(self, key: Key, references: list[str]) -> None:
        self._table.delete(_store_key(key), references)

    def read(self, key: Key) -> Register | None:
        found = self._table.registers.read(_store_key(key))
        return Register(*found) if found else None

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        return self._table.registers.write(_store_key(key), owner_of(key), data, version, expires, due)

    def read_many(self, keys: list[Key]) -> dict[Key, Register]:
        found = self._table.registers.read_many([_store_key(key) for key in keys])
        return {key: Register(*found[store_key]) for key in keys if (store_key := _store_key(key)) in found}

    def write_many(self, writes: list[Write]) -> list[Key]:
        lost = self._table.registers.write_many([_write(one) for one in writes])
        return [one.key for one in writes if _store_key(one.key) in lost]

    def count(self, key: Key, more: int) -> int:
        return self._table.count(_store_key(key), more)

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        return list(islice(_keys(self._table.due(before)), limit))

    def due_of(self, organization: str, pipeline: str, limit: int) -> list[tuple[int, Key]]:
        """Return the keys of a pipeline with a due time, oldest first."""
        owner = owner_of(Key(organization, pipeline, "", ""))
        return list(_keys(self._table.due_of(owner, limit)))


def _keys(found: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Key]]:
    """Yield the keys of these texts. An invalid text is logged and left out."""
    for due, store_key in found:
        try:
            yield due, _key(store_key)
        # One key with too few or too many parts must not stop the sweep of all others.
        except TypeError:
            log.error("%s is not the key of a window", store_key)


def _write(write: Write) -> RegisterWrite:
    return RegisterWrite(_store_key(write.key), owner_of(write.key), write.data, write.version, write.expires)


def _store_key(key: Key) -> str:
    return str(key).removeprefix("W#")


def _key(store_key: str) -> Key:
    return Key.parse(f"W#{store_key}")


def owner_of(key: Key) -> str:
    """Return the part of a key that identifies its owner."""
    return "#".join(_store_key(key).split("#")[:2])
