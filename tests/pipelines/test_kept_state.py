"""State is kept until it was due, however long its window is."""

from typing import Any

import pytest

from millrace.pipelines.state.meta import KEEP_MS
from millrace.pipelines.state.store import Key, MemoryStore
from tests.pipelines.test_windows import DAY, live

MONTH = 30 * DAY


class Watched(MemoryStore):
    """Remembers until when each write is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[int] = []

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        self.kept.append(expires)
        super().append(key, blocks, expires)

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        self.kept.append(expires)
        return super().write(key, data, version, expires, due)


@pytest.mark.parametrize(
    "config",
    [
        {"size": MONTH},
        {"type": "sliding", "size": MONTH, "slide": MONTH // 2},
        {"type": "session", "size": None, "gap": MONTH},
    ],
    ids=["tumbling", "sliding", "session"],
)
def test_rows_of_a_long_window_are_kept_until_it_fires(config: dict[str, Any]) -> None:
    """DynamoDB deletes what has expired: rows that expire before their window fires would not be counted."""
    made = live(**config)
    made.store = store = Watched()
    made.write("a", 10, 20)
    fires = min(at for at, _ in made.timers)
    assert fires > KEEP_MS
    assert min(store.kept) >= fires + KEEP_MS
