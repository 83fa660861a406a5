"""Metrics as CloudWatch reads them: the lines on stdout."""

import re
from typing import Any

import orjson
import pytest

from millrace.telemetry.metrics import METRICS, PipelineLines

UNITS = {"Count", "Milliseconds", "None"}


def reported(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines, each checked against CloudWatch's specification of the format."""
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        assert isinstance(line["_aws"]["Timestamp"], int)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert 1 <= len(directive["Namespace"]) <= 1024
            names = {name for dimensions in directive["Dimensions"] for name in dimensions}
            assert all(isinstance(line[name], str) and line[name] for name in names)
            assert len(directive["Metrics"]) <= 100
            for metric in directive["Metrics"]:
                assert metric["Unit"] in UNITS
                values = line[metric["Name"]]
                assert 1 <= len(values) <= 100
                assert all(isinstance(value, int | float) for value in values)
    return lines


def test_announced_metrics_exist_with_the_stack_as_only_dimension(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "POWERTOOLS_SERVICE_NAME", "millrace"
    )  # as in the template: it must not be a dimension
    counters = {"itemsProcessed": 7, "lagSum": 300, "lagCount": 2, "latencySum": 9, "step0passed": 3}
    PipelineLines("millrace-dev").did("acme", "pipeline_1", counters, [5, 4])
    (line,) = reported(capsys)
    (announced,) = line["_aws"]["CloudWatchMetrics"]
    assert (announced["Namespace"], announced["Dimensions"]) == ("Millrace", [["Stack"]])
    values = {metric["Name"]: line[metric["Name"]] for metric in announced["Metrics"]}
    assert values == {"ItemsProcessed": [7], "Lag": [150], "Latency": [4, 5]}
    assert (line["Stack"], line["Organization"], line["Pipeline"]) == ("millrace-dev", "acme", "pipeline_1")


def test_organization_and_pipeline_are_dimensions_only_where_the_operator_pays_for_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    PipelineLines("millrace-dev", per_pipeline=True).report_backpressure("acme", "pipeline_1", 0.5)
    (line,) = reported(capsys)
    dimensions = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert dimensions == [["Stack"], ["Stack", "Organization", "Pipeline"]]
    assert line["Backpressure"] == [0.5]


def test_line_holds_latencies_from_the_lowest_to_the_highest(capsys: pytest.CaptureFixture[str]) -> None:
    PipelineLines("millrace-dev").did("acme", "pipeline_1", {"itemsOut": 1}, list(range(5_000, 0, -1)))
    (line,) = reported(capsys)
    assert line["Latency"] == sorted(line["Latency"])
    assert (line["Latency"][0], line["Latency"][-1]) == (1, 5_000)
    assert line["ItemsOut"] == [1]


def test_pipelines_of_two_organizations_do_not_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PipelineLines("millrace-dev", per_pipeline=True)
    lines.did("acme", "pipeline_1", {"itemsOut": 1}, [])
    lines.did("other", "pipeline_2", {"itemsFailed": 2}, [])
    first, second = reported(capsys)
    assert (first["Organization"], first["ItemsOut"], "ItemsFailed" in first) == ("acme", [1], False)
    assert (second["Organization"], second["ItemsFailed"], "ItemsOut" in second) == ("other", [2], False)


def test_unchanged_or_stackless_deployment_writes_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    PipelineLines("millrace-dev").did("acme", "pipeline_1", dict.fromkeys(METRICS, 0), [])
    PipelineLines("").did("acme", "pipeline_1", {"itemsProcessed": 1}, [1])
    PipelineLines("").report_backpressure("acme", "pipeline_1", 0.5)
    assert reported(capsys) == []


def test_metric_names_are_ones_that_cloudwatch_takes() -> None:
    assert all(re.fullmatch(r"[A-Za-z]{1,64}", name) for name in METRICS.values())
