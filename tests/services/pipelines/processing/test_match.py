"""Matching of bus events to pipelines."""

from typing import Any

import pytest

from millrace.errors import InvalidRequest
from millrace.services.pipelines.processing.bus_events import bus_event

PUBLISHED = 1_795_262_400_000  # 2026-11-21T12:00:00Z
HAPPENED = PUBLISHED - 60_000


@pytest.mark.parametrize(
    ("given_time", "time"),
    [
        ("2026-11-21T11:59:00Z", HAPPENED),
        (HAPPENED, HAPPENED),
        (HAPPENED // 1000, HAPPENED),
        (HAPPENED / 1000, HAPPENED),
        (None, PUBLISHED),
    ],
)
def test_time_of_a_bus_event_is_read_in_every_usual_form(given_time: Any, time: int) -> None:
    organization, event = bus_event(telling(given_time), PUBLISHED)
    assert (organization, event.time) == ("org", time)


@pytest.mark.parametrize("given_time", ["yesterday", 1e300, [2026], True])
def test_time_that_cannot_be_read_is_refused_with_the_reason(given_time: Any) -> None:
    with pytest.raises(InvalidRequest, match="time"):
        bus_event(telling(given_time), PUBLISHED)


def telling(time: Any) -> dict[str, Any]:
    """An event of the bus whose detail has this time."""
    return {
        "id": "e1",
        "source": "millrace.api_event",
        "detail-type": "call",
        "time": "2026-11-21T12:00:00Z",
        "detail": {"organization": "org", "time": time},
    }
