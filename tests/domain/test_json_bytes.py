"""Stored JSON takes only as much memory as its size."""

import tracemalloc
from collections.abc import Callable

import pytest

from millrace.domain import events
from millrace.domain.json_bytes import kept_json
from millrace.stores.event_log import encode

COUNT = 500
EVENT = events.token("word")


@pytest.mark.parametrize("write", [kept_json, lambda event: encode(1, event)], ids=["JSON", "an event"])
def test_short_json_takes_little_memory(write: Callable[[object], object]) -> None:
    tracemalloc.start()
    try:
        kept = [write(EVENT) for _ in range(COUNT)]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / len(kept) < 1000
