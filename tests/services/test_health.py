"""What a pipeline's health says."""

from millrace.services.pipelines.metrics import Judgement

WINDOW = {"type": "window", "config": {"type": "tumbling", "timeField": "at", "allowedLateness": 5_000}}


def test_health_says_which_times_made_events_late() -> None:
    judgement = Judgement("2026-11-21T12:00:00Z")
    judgement.of_windows([(0, {"step1late": 3, "lateEvents": 3})], [{"type": "map"}, WINDOW])
    assert judgement.status == "degraded"
    (reason,) = judgement.reasons
    assert "3 events of transforms.1" in reason
    assert "`at`" in reason
    assert "epoch seconds" in reason
    assert "5000 ms" in reason
    assert "were dropped" in reason
