"""Events of the bus as pipelines take them."""

from typing import Any

import pytest

from millrace.services.pipelines.match import bus_event

PUBLISHED = 1_795_262_400_000  # 2026-11-21T12:00:00Z
HAPPENED = PUBLISHED - 60_000


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("2026-11-21T11:59:00Z", HAPPENED),
        (HAPPENED, HAPPENED),
        (HAPPENED // 1000, HAPPENED),
        (HAPPENED / 1000, HAPPENED),
        (None, PUBLISHED),
        ("yesterday", PUBLISHED),
        (1e300, PUBLISHED),
        ([2026], PUBLISHED),
        (True, PUBLISHED),
    ],
)
def test_bus_event_is_taken_whatever_its_detail_says_of_the_time(told: Any, time: int) -> None:
    envelope = {
        "id": "e1",
        "source": "millrace.api_event",
        "detail-type": "call",
        "time": "2026-11-21T12:00:00Z",
        "detail": {"organization": "org", "time": told},
    }
    organization, event = bus_event(envelope, PUBLISHED)
    assert (organization, event.time) == ("org", time)
