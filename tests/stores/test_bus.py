"""Events put on the bus, call by call."""

from typing import Any, cast

import pytest

from millrace.errors import TooLarge, Unavailable
from millrace.stores.aws import Aws
from millrace.stores.bus import CALL_BYTES, BusEvent, EventBus


class Calls:
    """EventBridge as it answers: `refusals` are the numbers of entries that it refuses, call by call."""

    def __init__(self, *refusals: int) -> None:
        self.entries: list[list[dict[str, str]]] = []
        self._refusals = list(refusals)

    async def call(self, service: str, operation: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        self.entries.append(Entries)
        refused = self._refusals.pop(0) if self._refusals else 0
        answers = [{"ErrorCode": "InternalFailure"}] * refused + [{"EventId": "1"}] * (len(Entries) - refused)
        return {"FailedEntryCount": refused, "Entries": answers}


def bus(calls: Calls) -> EventBus:
    return EventBus(cast(Aws, calls), "a-bus")


async def test_call_has_ten_events_and_256_kb_at_most() -> None:
    calls = Calls()
    large = [BusEvent("s", "k", "é" * 30_000) for _ in range(9)]
    await bus(calls).put(large + [BusEvent("s", "k", str(n)) for n in range(25)])
    sizes = [sum(len(entry["Detail"].encode()) for entry in entries) for entries in calls.entries]
    assert max(sizes) <= CALL_BYTES
    assert max(map(len, calls.entries)) == 10
    assert sum(map(len, calls.entries)) == 34


async def test_events_that_the_bus_refused_alone_are_put_again() -> None:
    calls = Calls(2, 1)
    await bus(calls).put([BusEvent("s", "k", str(n)) for n in range(5)])
    assert [[entry["Detail"] for entry in entries] for entries in calls.entries] == [
        ["0", "1", "2", "3", "4"],
        ["0", "1"],
        ["0"],
    ]


async def test_bus_that_refuses_for_good_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await bus(Calls(1, 1, 1, 1, 1)).put([BusEvent("s", "k", "0")])


async def test_event_that_no_call_can_hold_is_reported_after_all_others_are_put() -> None:
    calls = Calls()
    events = [BusEvent("s", "k", "1"), BusEvent("s", "big", "x" * CALL_BYTES), BusEvent("s", "k", "2")]
    with pytest.raises(TooLarge, match="big"):
        await bus(calls).put(events)
    assert [entry["Detail"] for entries in calls.entries for entry in entries] == ["1", "2"]
