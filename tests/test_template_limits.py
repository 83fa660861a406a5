"""Quotas and rules of AWS from its documentation, which no emulator and no linter checks."""

import json
from typing import Any

import pytest

from tests.aws import Aws
from tests.permissions import Roles
from tests.templates import translated, written

Json = dict[str, Any]

BODY = translated().body
RESOURCES: Json = BODY["Resources"]
RAW: Json = written()
ROLE_POLICY_CHARACTERS = 10_240
"""Of all inline policies of a role together, spaces not counted."""
ENVIRONMENT_BYTES = 4_096
SPARE_BYTES = 1_000
"""For what a deployment sets itself: servers of models, scopes, own hosts."""
# What CloudWatch Logs accepts as retention.
RETENTIONS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922}
RETENTIONS |= {3288, 3653}


def of_type(kind: str) -> dict[str, Json]:
    return {name: one.get("Properties", {}) for name, one in RESOURCES.items() if one["Type"] == kind}


def test_template_is_within_cloudformations_quotas() -> None:
    assert len(json.dumps(BODY)) < 1_000_000
    assert len(RESOURCES) <= 500
    assert len(BODY["Parameters"]) <= 200
    assert len(BODY["Outputs"]) <= 200
    for name, one in BODY["Parameters"].items():
        assert len(one.get("Description", "")) <= 4_000, name
        assert "Default" in one, f"{name}: a deployment asks nothing"


def test_policies_of_each_role_fit_together() -> None:
    """IAM rejects a role whose inline policies are larger, and the stack fails."""
    names = {name: f"a-stack-with-quite-a-long-name-{name}-ABCDEFGHIJKL" for name in RESOURCES}
    arn = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    roles = Roles(BODY, {"KmsKeyArn": arn, "ModelKeysSecretArn": arn, "OutboxSecretArn": arn}, names)
    for name, role in of_type("AWS::IAM::Role").items():
        text = json.dumps(roles.resolve(role.get("Policies", [])), separators=(",", ":"))
        assert len(text) < ROLE_POLICY_CHARACTERS, name


def test_environment_of_each_function_leaves_room(aws: Aws) -> None:
    """Lambda takes 4 KB for all names and values of a function."""
    for name, function in aws.deployment.functions.items():
        size = sum(len(key) + len(value) for key, value in function.environment.items())
        assert size < ENVIRONMENT_BYTES - SPARE_BYTES, name


def test_queues_hide_messages_for_as_long_as_their_function_may_work() -> None:
    """Lambda refuses a mapping whose queue shows messages again before the function's timeout."""
    mappings = of_type("AWS::Lambda::EventSourceMapping").values()
    for mapping in (one for one in mappings if "Fn::GetAtt" in one["EventSourceArn"]):
        queue = RESOURCES[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        function = RESOURCES[mapping["FunctionName"]["Ref"]]["Properties"]
        assert queue["VisibilityTimeout"] >= 3 * function["Timeout"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5, "throttled receives count, too"


def test_large_batches_have_a_window() -> None:
    for name, mapping in of_type("AWS::Lambda::EventSourceMapping").items():
        if mapping["BatchSize"] > 10:
            assert mapping["MaximumBatchingWindowInSeconds"] >= 1, name


def test_mappings_leave_room_for_people_in_a_new_account() -> None:
    """A new account runs 10 functions at once; a mapping takes 2 or more."""
    parameters = BODY["Parameters"]
    taken = 0
    for name, mapping in of_type("AWS::Lambda::EventSourceMapping").items():
        scaling = RAW["Resources"][name]["Properties"].get("ScalingConfig")
        if scaling and "Enabled" not in mapping:
            limit = parameters[scaling["MaximumConcurrency"]["Ref"]]
            assert limit["MinValue"] == 2
            taken += limit["Default"]
    assert 0 < taken <= 8


@pytest.mark.parametrize("name", of_type("AWS::Lambda::Url"))
def test_cors_of_urls_is_within_lambdas_quotas(name: str) -> None:
    cors = RESOURCES[name]["Properties"]["Cors"]
    assert len(cors["AllowHeaders"]) <= 100
    assert len(cors["ExposeHeaders"]) <= 100
    assert cors["MaxAge"] <= 86_400


def test_rules_are_within_eventbridges_quotas() -> None:
    for name, rule in of_type("AWS::Events::Rule").items():
        assert len(rule["Targets"]) <= 5, name
        assert len(json.dumps(rule.get("EventPattern", {}))) <= 2_048, name


def test_log_retention_is_one_that_cloudwatch_accepts() -> None:
    parameter = BODY["Parameters"]["LogRetentionDays"]
    assert set(parameter["AllowedValues"]) == RETENTIONS
    assert parameter["Default"] in RETENTIONS


def test_expressions_of_alarms_have_no_more_metrics_than_cloudwatch_computes() -> None:
    for name, one in RAW["Resources"].items():
        if one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"]:
            assert len(one["Properties"]["Metrics"]) <= 10, name


def test_concurrency_is_reserved_only_on_request() -> None:
    """AWS rejects a reservation that leaves fewer than 100 for others, so a new account can have none."""
    for name, function in of_type("AWS::Lambda::Function").items():
        if reserved := function.get("ReservedConcurrentExecutions"):
            condition, _, otherwise = reserved["Fn::If"]
            assert otherwise == {"Ref": "AWS::NoValue"}, name
            wanted = BODY["Conditions"][condition]["Fn::Not"][0]["Fn::Equals"]
            assert BODY["Parameters"][wanted[0]["Ref"]]["Default"] == 0
