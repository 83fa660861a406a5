"""Alarms as CloudWatch gets them: the template merges what they share, and an emulator accepts any alarm."""

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.aws import TEMPLATE

ALARMS: dict[str, dict[str, Any]] = {
    name: resource["Properties"]
    for name, resource in yaml_parse(TEMPLATE.read_text())["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
METRIC = {"Namespace", "MetricName", "Dimensions", "Statistic", "Period"}
DIMENSION = {"AWS/Lambda": "FunctionName", "AWS/SQS": "QueueName"}


def watched(alarm: dict[str, Any]) -> str:
    return f"{alarm['MetricName']} {alarm['Dimensions'][0]['Value']}" if "MetricName" in alarm else str(alarm)


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_watches_one_metric_of_one_resource_or_a_query(name: str) -> None:
    alarm = ALARMS[name]
    if "Metrics" in alarm:
        assert not alarm.keys() & METRIC
        return
    assert alarm.keys() >= METRIC
    (dimension,) = alarm["Dimensions"]
    assert dimension["Name"] == DIMENSION[alarm["Namespace"]]


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_needs_no_more_datapoints_than_it_evaluates(name: str) -> None:
    """CloudWatch refuses `M out of N` with M above N, and the stack with it."""
    alarm = ALARMS[name]
    assert 1 <= alarm.get("DatapointsToAlarm", 1) <= alarm["EvaluationPeriods"]


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_tells_the_topic_and_stays_silent_without_data(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"]["Fn::If"][:2] == ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}]]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


def test_no_two_alarms_are_the_same() -> None:
    """An alarm that merged all of another and forgot to name its own resource."""
    assert len({watched(alarm) for alarm in ALARMS.values()}) == len(ALARMS)
    assert len({alarm["AlarmDescription"] for alarm in ALARMS.values()}) == len(ALARMS)
