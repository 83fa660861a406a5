"""The current time in any time zone."""

from datetime import UTC, datetime, timedelta

import pytest

from millrace.agent.tools.current_time import current_time, described
from millrace.errors import InvalidRequest


def test_moment_is_told_in_its_zone() -> None:
    moment = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert described(moment, "UTC") == "2026-07-01T22:30:00+00:00 (Wednesday, UTC)"
    assert described(moment, "Europe/Berlin") == "2026-07-02T00:30:00+02:00 (Thursday, Europe/Berlin)"


def test_time_is_the_present() -> None:
    reported = datetime.fromisoformat(current_time("Asia/Tokyo").split()[0])
    assert abs(reported - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "zone", ["", "Mars", "../../etc/passwd", "/etc/passwd", "Europe", "a\x00b", "x" * 5000]
)
def test_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(InvalidRequest, match="IANA"):
        current_time(zone)
