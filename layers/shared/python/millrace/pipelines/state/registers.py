"""Many registers, read, changed and written together: two calls for a hundred of them."""

from collections.abc import Callable, Collection

from millrace.pipelines.errors import Contended
from millrace.pipelines.state.store import Key, Store, Write

TOGETHER = 100
"""The maximum that DynamoDB reads and writes in one call, and that is in memory at once, as a total may have
45 KB."""
_ATTEMPTS = 20
Change = Callable[[Key, bytes | None], tuple[bytes, int] | None]
"""Maps a register's data, if any, to its new data and expiry, or None to leave it unchanged."""


def update(store: Store, keys: Collection[Key], change: Change) -> None:
    """Change each register, again if another writer was faster.

    Each is written separately, so after a crash in between, those that were written have to recognize the
    repetition. Raises `Contended`.
    """
    every = list(keys)
    for start in range(0, len(every), TOGETHER):
        _update(store, every[start : start + TOGETHER], change)


def _update(store: Store, keys: list[Key], change: Change) -> None:
    for _ in range(_ATTEMPTS):
        keys = store.write_many(_writes(store, keys, change))
        if not keys:
            return
    raise Contended(str(keys[0]))


def _writes(store: Store, keys: list[Key], change: Change) -> list[Write]:
    stored = store.read_many(keys)
    writes = []
    for key in keys:
        register = stored.get(key)
        changed = change(key, register.data if register else None)
        if changed:
            data, expires = changed
            writes.append(Write(key, data, register.version if register else 0, expires))
    return writes
