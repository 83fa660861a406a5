"""The health of a pipeline."""

from millrace.services.pipelines.operations.health import HealthReport

WINDOW = {"type": "window", "config": {"type": "tumbling", "timeField": "at", "allowedLateness": 5_000}}


def test_health_says_which_times_made_events_late() -> None:
    report = HealthReport("2026-11-21T12:00:00Z")
    report.of_windows([(0, {"step1late": 3, "lateEvents": 3})], [{"type": "map"}, WINDOW])
    assert report.status == "degraded"
    (reason,) = report.reasons
    assert "3 events of transforms.1" in reason
    assert "`at`" in reason
    assert "epoch seconds" in reason
    assert "5000 ms" in reason
    assert "were dropped" in reason
