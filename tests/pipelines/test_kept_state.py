"""State is kept until it is due, however long its window is."""

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
        self.blocks_kept: list[int] = []

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        self.kept.append(expires)
        self.blocks_kept.append(expires)
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


def test_session_is_kept_while_it_grows() -> None:
    """Its first events are counted at its end, which each event puts off."""
    made = live(type="session", size=None, gap=DAY, maxDuration=6 * MONTH)
    made.store = store = Watched()
    made.write("a", 10, 20)
    assert min(store.blocks_kept) >= 6 * MONTH + KEEP_MS


def test_session_that_was_sent_is_known_until_no_event_can_change_it() -> None:
    made = live(type="session", size=None, gap=MONTH, maxDuration=DAY, allowedLateness=DAY)
    made.store = store = Watched()
    made.write("a", 10, 20)
    fires = min(at for at, _ in made.timers)
    store.blocks_kept.clear()
    assert made.pass_time(fires) == [(0, 1)]
    assert min(store.blocks_kept) >= fires + MONTH + DAY + KEEP_MS
