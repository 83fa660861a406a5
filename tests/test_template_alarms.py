"""Alarms as CloudWatch gets them: the template merges shared settings, and an emulator accepts any alarm."""

import re
from typing import Any

import pytest

from millrace.api.errors import STATUS
from tests.aws import TEMPLATE
from tests.templates import written

Resources = dict[str, dict[str, Any]]

RESOURCES: Resources = written()["Resources"]
ALARMS: Resources = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
USUAL = {name for name in ALARMS if "Condition" not in RESOURCES[name]}
FILTERS: Resources = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Logs::MetricFilter"
}
FREE = 10
"""Metrics with an alarm, for which CloudWatch asks nothing; it counts each metric of an expression."""
METRIC = {"Namespace", "MetricName", "Statistic", "Period"}
DIMENSION = {"AWS/Lambda": "FunctionName", "AWS/SQS": "QueueName", "Millrace": "Stack"}
FILTERED = {"Fn::Sub": "Millrace/${AWS::StackName}"}
"""The namespace of what metric filters count, which cannot give a constant dimension."""


def watched(alarm: dict[str, Any]) -> str:
    return f"{alarm['MetricName']} {alarm.get('Dimensions')}" if "MetricName" in alarm else str(alarm)


def metrics(alarm: dict[str, Any]) -> int:
    """Return the number of metrics that CloudWatch bills."""
    stats = [one for one in alarm.get("Metrics", ()) if "MetricStat" in one]
    return len(stats) or 1


def filters(metric: str) -> set[str]:
    """Return the functions whose log lines a metric counts."""
    return {
        one["LogGroupName"]["Ref"].removesuffix("LogGroup")
        for one in FILTERS.values()
        if one["MetricTransformations"][0]["MetricName"] == metric
    }


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_watches_one_metric_of_one_resource_or_an_expression(name: str) -> None:
    alarm = ALARMS[name]
    if "Metrics" in alarm:
        assert not alarm.keys() & (METRIC | {"Dimensions"})
        assert sum(one["ReturnData"] for one in alarm["Metrics"]) == 1
        return
    assert alarm.keys() >= METRIC
    if alarm["Namespace"] == FILTERED:
        assert "Dimensions" not in alarm
        assert filters(alarm["MetricName"])
    elif name != "ThrottlesAlarm":  # the quota is the account's
        (dimension,) = alarm["Dimensions"]
        assert dimension["Name"] == DIMENSION[alarm["Namespace"]]


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_needs_no_more_datapoints_than_it_evaluates(name: str) -> None:
    """CloudWatch refuses `M out of N` with M above N, and the stack with it."""
    alarm = ALARMS[name]
    assert 1 <= alarm.get("DatapointsToAlarm", 1) <= alarm["EvaluationPeriods"]


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_notifies_the_topic_and_is_silent_without_data(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"]["Fn::If"][:2] == ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}]]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


def test_alarms_are_distinct() -> None:
    """Two are equal if an alarm merges all of another and does not set its own resource."""
    assert len({watched(alarm) for alarm in ALARMS.values()}) == len(ALARMS)
    assert len({alarm["AlarmDescription"] for alarm in ALARMS.values()}) == len(ALARMS)


def test_usual_alarms_are_free() -> None:
    assert len(USUAL) <= 10
    assert sum(metrics(ALARMS[name]) for name in USUAL) <= FREE


def test_usual_alarms_watch_throttles_loops_inits_ages_and_dead_letters() -> None:
    text = str([ALARMS[name] for name in sorted(USUAL)])
    for metric in (
        "Failures",
        "InitFailures",
        "ServerErrors",
        "Throttles",
        "RecursiveInvocationsDropped",
        "ApproximateAgeOfOldestMessage",
        "DeadLetterMessages",
    ):
        assert metric in text, metric


def test_runbook_has_a_section_for_each_usual_alarm() -> None:
    text = (TEMPLATE.parent / "docs/runbook.md").read_text()
    always = {name for name in ALARMS if RESOURCES[name].get("Condition") != "HasDetailedAlarms"}
    assert set(re.findall(r"^## (\w+Alarm)$", text, re.MULTILINE)) == always


def test_failures_are_counted_of_every_function_and_server_errors_of_every_url() -> None:
    functions = {
        name.removesuffix("Function"): one["Properties"]
        for name, one in RESOURCES.items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    assert filters("Failures") == filters("InitFailures") == functions.keys()
    urls = {name for name, one in functions.items() if "FunctionUrlConfig" in one}
    assert filters("ServerErrors") == urls


def test_lambda_passes_on_the_debug_lines_of_sampled_invocations() -> None:
    """In JSON it drops lines below the application's level, which is INFO unless said otherwise."""
    level = written()["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"]
    assert level == {"Fn::If": ["HasLogSampling", "DEBUG", "INFO"]}


def test_filters_read_fields_that_are_logged() -> None:
    """Lambda writes its own events where logs are JSON; ours have the field of `api/errors.py`."""
    logging = written()["Globals"]["Function"]["LoggingConfig"]
    assert (logging["LogFormat"], logging["SystemLogLevel"]) == ("JSON", "INFO")
    patterns = {one["FilterPattern"] for one in FILTERS.values()}
    assert patterns == {
        '{ ($.type = "platform.report") && ($.record.status != "success") }',
        '{ (($.type = "platform.initReport") || ($.type = "platform.restoreReport")) '
        '&& ($.record.status != "success") }',
        f"{{ $.{STATUS} >= 500 }}",
    }
