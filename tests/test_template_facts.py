"""Quotas, prices and replacement rules of each resource type in the template, as AWS documents them.

`FACTS` lists the types that were checked, with the documentation page. A new type is added after reading its
page.
"""

import re
from collections import Counter
from itertools import chain
from typing import Any, NamedTuple

import pytest

from tests.templates import translated

Json = dict[str, Any]

BODY = translated().body
RESOURCES: Json = BODY["Resources"]


class Fact(NamedTuple):
    """A sentence about a type, and the page of AWS's documentation (November 2026) that has it."""

    says: str
    page: str


FACTS = {
    "AWS::CloudFront::Distribution": Fact(
        "75 behaviors, 100 origins, 60 s without a byte (to 120 by newer pages, which not every account has)",
        "CloudFront Developer Guide, Quotas",
    ),
    "AWS::CloudFront::Function": Fact(
        "10 KB of code; 64 characters of letters, digits, - and _, unique in an account",
        "CloudFront API Reference, CreateFunction; Quotas on CloudFront Functions",
    ),
    "AWS::CloudFront::OriginAccessControl": Fact(
        "up to 64 characters; another with the same parameters is refused; an account has a quota of them",
        "CloudFront API Reference, CreateOriginAccessControl; TooManyOriginAccessControls",
    ),
    "AWS::CloudFront::ResponseHeadersPolicy": Fact(
        "its name is unique in an account; a content security policy of 1,783 characters; a comment of 128",
        "CloudFront API Reference, ResponseHeadersPolicyConfig; Service Quotas",
    ),
    "AWS::CloudWatch::Alarm": Fact(
        "$0.10 a metric after ten; see test_template_alarms", "CloudWatch pricing"
    ),
    "AWS::CloudWatch::Dashboard": Fact(
        "$3 above 50 metrics; 500 widgets; see test_template", "CloudWatch pricing"
    ),
    "AWS::Cognito::UserPool": Fact(
        "name, aliases, case, and required attributes cannot be changed, nor attributes removed",
        "Cognito Developer Guide, Updating user pool configuration",
    ),
    "AWS::Cognito::UserPoolClient": Fact(
        "another secret setting needs another client: its id is the audience of tokens",
        "Cognito Developer Guide, Updating user pool configuration",
    ),
    "AWS::Cognito::UserPoolDomain": Fact(
        "63 of a-z, 0-9 and -, none at the ends; a change replaces it; a pool with one is not deleted",
        "CloudFormation, AWS::Cognito::UserPoolDomain; DeleteUserPoolDomain",
    ),
    "AWS::Cognito::UserPoolGroup": Fact(
        "another name replaces it, and its members are in none",
        "CloudFormation, AWS::Cognito::UserPoolGroup (UpdateType: Immutable)",
    ),
    "AWS::DynamoDB::Table": Fact(
        "other keys replace it; one index made or removed at a time", "DynamoDB API Reference, UpdateTable"
    ),
    "AWS::Events::EventBus": Fact(
        "another name replaces it, and rules of others point to nothing",
        "EventBridge User Guide, Custom Event Bus - Classic quotas",
    ),
    "AWS::Events::Rule": Fact("five targets; see test_template_limits", "EventBridge User Guide, Quotas"),
    "AWS::IAM::Role": Fact(
        "10,240 characters of inline policies without white space; see test_template_limits",
        "IAM User Guide, IAM and STS quotas",
    ),
    "AWS::Lambda::EventSourceMapping": Fact(
        "a batch above ten waits for a window; see test_template_limits", "Lambda Developer Guide, SQS"
    ),
    "AWS::Lambda::Function": Fact(
        "five layers, 250 MB, 4 KB of environment, 256 characters of description",
        "Lambda Developer Guide, Quotas",
    ),
    "AWS::Lambda::LayerVersion": Fact(
        "other code needs a new version; a deleted version is kept until no function refers to it",
        "Lambda Developer Guide, Creating and deleting layers; Lambda API Reference, DeleteLayerVersion",
    ),
    "AWS::Lambda::Permission": Fact(
        "a public URL needs two since October 2025; see test_template",
        "Lambda Developer Guide, Function URLs",
    ),
    "AWS::Lambda::Url": Fact(
        "CORS: 100 headers and origins, 6 methods (OPTIONS is none of them), a day of MaxAge",
        "Lambda API Reference, Cors",
    ),
    "AWS::Logs::LogGroup": Fact("keeps for ever without a retention; see test_template", "CloudWatch Logs"),
    "AWS::Logs::MetricFilter": Fact(
        "100 for a group, 1,024 characters, one transformation, three dimensions, five regular expressions",
        "CloudWatch Logs API Reference, PutMetricFilter, MetricFilter",
    ),
    "AWS::S3::Bucket": Fact(
        "3 to 63 characters, unique across all accounts of a partition; only an empty bucket can be deleted",
        "S3 User Guide, General purpose bucket naming rules; S3 API Reference, DeleteBucket",
    ),
    "AWS::S3::BucketPolicy": Fact(
        "20 KB, one for a bucket", "S3 User Guide, Bucket policies and user policies; PutBucketPolicy"
    ),
    "AWS::SQS::Queue": Fact(
        "in a standard queue, a dead letter keeps the age of its message, so its queue keeps longer",
        "SQS Developer Guide, Dead-letter queue retention",
    ),
    "AWS::SQS::QueuePolicy": Fact(
        "8,192 bytes, 20 statements, 50 principals, 10 conditions, 7 actions in a statement; it sets the "
        "policy of its queues: of two for one queue, one is lost",
        "SQS Developer Guide, Policy quotas",
    ),
    "AWS::Scheduler::ScheduleGroup": Fact(
        "64 characters; another name replaces it; deleting it deletes the schedules in it; 500 in an account",
        "CloudFormation, AWS::Scheduler::ScheduleGroup; DeleteScheduleGroup",
    ),
}
LONGEST_STACK = "a" * 40
"""Names that have to be given begin with the stack's, which may have 128 characters, and so must be short."""
REGION = "ap-southeast-1"
NAMES = {
    "AWS::CloudFront::Function": ("Name", 64),
    "AWS::CloudFront::OriginAccessControl": ("Name", 64),
    "AWS::CloudFront::ResponseHeadersPolicy": ("Name", 128),
    "AWS::Events::EventBus": ("Name", 256),
    "AWS::Scheduler::ScheduleGroup": ("Name", 64),
}
"""Types whose name must be given, and its longest."""
OURS = ("BucketName", "TableName", "QueueName", "RoleName", "FunctionName", "LogGroupName", "AlarmName")
"""Names that CloudFormation gives: a resource with a name of ours cannot be replaced, nor be there twice."""


def of_type(kind: str) -> dict[str, Json]:
    return {name: one.get("Properties", {}) for name, one in RESOURCES.items() if one["Type"] == kind}


def test_each_type_of_the_template_was_read() -> None:
    assert {one["Type"] for one in RESOURCES.values()} == FACTS.keys()


@pytest.mark.parametrize("kind", NAMES)
def test_required_names_fit_and_contain_stack_and_region(kind: str) -> None:
    key, longest = NAMES[kind]
    for name, properties in of_type(kind).items():
        [config] = [one for one in (properties, *properties.values()) if isinstance(one, dict) and key in one]
        text = config[key]["Fn::Sub"]
        assert "${AWS::StackName}" in text, name
        assert ("${AWS::Region}" in text) == kind.startswith("AWS::CloudFront"), name
        filled = text.replace("${AWS::StackName}", LONGEST_STACK).replace("${AWS::Region}", REGION)
        assert len(filled) <= longest, name


def test_other_resources_have_generated_names() -> None:
    named = {
        (name, key)
        for name, one in RESOURCES.items()
        for key in OURS
        if key in one.get("Properties", {}) and not isinstance(one["Properties"][key], dict)
    }
    assert named == set()


def test_tables_define_the_attributes_of_their_keys_and_no_others() -> None:
    """DynamoDB refuses a table with one that is in no key."""
    for name, table in of_type("AWS::DynamoDB::Table").items():
        indexes = [*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())]
        keys = chain(table["KeySchema"], *(index["KeySchema"] for index in indexes))
        assert {key["AttributeName"] for key in keys} == {
            one["AttributeName"] for one in table["AttributeDefinitions"]
        }, name
        assert len(table.get("GlobalSecondaryIndexes", ())) <= 20, name


def test_dead_letters_are_kept_for_longer_than_messages() -> None:
    """SQS counts the age of a message from when it was sent first, in both queues."""
    queues = of_type("AWS::SQS::Queue")
    for name, queue in queues.items():
        if "RedrivePolicy" in queue:
            dead = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
            kept = queues[dead]["MessageRetentionPeriod"]
            assert kept > queue["MessageRetentionPeriod"], name
            assert kept <= 1_209_600
            assert 1 <= queue["RedrivePolicy"]["maxReceiveCount"] <= 1_000
        assert queue.get("VisibilityTimeout", 30) <= 43_200, name


def test_each_queue_and_bucket_has_one_policy_at_most() -> None:
    queues = [
        queue["Ref"] for policy in of_type("AWS::SQS::QueuePolicy").values() for queue in policy["Queues"]
    ]
    buckets = [policy["Bucket"]["Ref"] for policy in of_type("AWS::S3::BucketPolicy").values()]
    assert [name for name, times in Counter([*queues, *buckets]).items() if times > 1] == []


def test_immutable_settings_of_the_user_pool_are_unchanged() -> None:
    """A release that changes one of these cannot update a stack, or replaces its pool."""
    [pool] = of_type("AWS::Cognito::UserPool").values()
    fixed = ("Schema", "AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
    assert {name: pool[name] for name in fixed if name in pool} == {
        "Schema": [{"Name": "organization", "AttributeDataType": "String", "Mutable": True}]
    }
    [client] = of_type("AWS::Cognito::UserPoolClient").values()
    assert client["GenerateSecret"] is False


def test_filters_of_log_groups_are_within_their_quotas() -> None:
    filters = of_type("AWS::Logs::MetricFilter").values()
    assert max(Counter(one["LogGroupName"]["Ref"] for one in filters).values()) <= 100
    for one in filters:
        assert len(one["FilterPattern"]) <= 1_024
        for transformation in one["MetricTransformations"]:
            assert not {"DefaultValue", "Dimensions"} <= transformation.keys()


def test_functions_have_five_layers_and_short_descriptions_at_most() -> None:
    for name, function in of_type("AWS::Lambda::Function").items():
        assert len(function["Layers"]) <= 5, name
        assert len(function["Description"]) <= 256, name
        assert 128 <= function.get("MemorySize", 128) <= 10_240, name


def test_edge_code_is_small() -> None:
    for function in of_type("AWS::CloudFront::Function").values():
        assert len(str(function["FunctionCode"]).encode()) <= 10_240


def test_content_security_policy_fits_into_its_policy() -> None:
    [policy] = of_type("AWS::CloudFront::ResponseHeadersPolicy").values()
    config = policy["ResponseHeadersPolicyConfig"]
    text, parts = config["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    sources = [part if isinstance(part, str) else str(part) for part in parts["Connect"]["Fn::Join"][1]]
    longest = text.replace("${Connect}", " ".join(sources)).replace("${FilesBucket}", "b" * 63)
    assert len(longest.replace("${AWS::Region}", REGION)) <= 1_783
    assert len(config.get("Comment", "")) <= 128


def test_policies_of_queues_are_within_their_quotas() -> None:
    for name, policy in of_type("AWS::SQS::QueuePolicy").items():
        statements = policy["PolicyDocument"]["Statement"]
        assert len(statements) <= 20, name
        assert len(str(policy["PolicyDocument"]).encode()) <= 8_192, name
        assert sum("Condition" in one for one in statements) <= 10, name


def test_cors_of_urls_names_supported_methods() -> None:
    for name, url in of_type("AWS::Lambda::Url").items():
        cors = url["Cors"]
        assert set(cors["AllowMethods"]) <= {"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"}, name
        assert len(cors["AllowMethods"]) <= 6, name
        assert cors.get("MaxAge", 0) <= 86_400, name


def test_filters_read_the_fields_that_system_logs_have() -> None:
    """The `status` of a report is success, error, failure or timeout, in `record` in JSON logs.

    See the Lambda Developer Guide, Telemetry API schema: PlatformReport, PlatformInitReport and others.
    """
    patterns = [one["FilterPattern"] for one in of_type("AWS::Logs::MetricFilter").values()]
    reports = [one for one in patterns if "platform." in one]
    assert reports
    for pattern in reports:
        kinds = set(re.findall(r'"platform[.](\w+)"', pattern))
        assert kinds <= {"report", "initReport", "restoreReport"}
        assert '$.record.status != "success"' in pattern
    for one in of_type("AWS::Logs::MetricFilter").values():
        assert len(one["MetricTransformations"]) == 1


def test_sign_in_domain_is_valid_for_cognito() -> None:
    pattern = BODY["Parameters"]["SignInDomain"]["AllowedPattern"]
    for name, fits in (
        ("acme-agents", True),
        ("a" * 63, True),
        ("-a", False),
        ("a-", False),
        ("a" * 64, False),
    ):
        assert (re.fullmatch(pattern, name) is not None) is fits, name
