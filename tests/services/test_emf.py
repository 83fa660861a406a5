"""Lines in CloudWatch's embedded metric format."""

from typing import Any

import orjson
import pytest

from millrace.services.pipelines.emf import METRICS, Lines

NOW = 1_790_000_000_000


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_metric_that_is_announced_is_there_and_the_dimensions_are_bounded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counters = {"itemsProcessed": 7, "lagSum": 300, "lagCount": 2, "latencySum": 9, "step0passed": 3}
    Lines("millrace-dev").did("acme", "pipeline_1", counters, [4, 5], NOW)
    (line,) = told(capsys)
    (announced,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == NOW
    assert (announced["Namespace"], announced["Dimensions"]) == ("Millrace", [["Stack"]])
    values = {metric["Name"]: line[metric["Name"]] for metric in announced["Metrics"]}
    assert values == {"ItemsProcessed": 7, "Lag": 150.0, "Latency": [4, 5]}
    assert (line["Stack"], line["Organization"], line["Pipeline"]) == ("millrace-dev", "acme", "pipeline_1")


def test_organisation_and_pipeline_are_dimensions_only_where_the_operator_pays_for_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Lines("millrace-dev", per_pipeline=True).pressed("acme", "pipeline_1", 0.5, NOW)
    (line,) = told(capsys)
    dimensions = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert dimensions == [["Stack"], ["Stack", "Organization", "Pipeline"]]
    assert line["Backpressure"] == 0.5


def test_a_line_holds_at_most_a_hundred_values_from_the_lowest_to_the_highest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Lines("millrace-dev").did("acme", "pipeline_1", {}, list(range(5_000, 0, -1)), NOW)
    (line,) = told(capsys)
    assert len(line["Latency"]) == 100
    assert (line["Latency"][0], line["Latency"][-1]) == (1, 5_000)


def test_what_changed_nothing_and_what_has_no_stack_writes_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Lines("millrace-dev").did("acme", "pipeline_1", dict.fromkeys(METRICS, 0), [], NOW)
    Lines("").did("acme", "pipeline_1", {"itemsProcessed": 1}, [1], NOW)
    assert told(capsys) == []
