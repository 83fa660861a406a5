"""Each type of resource in the template: what AWS refuses, counts, charges or replaces, as its documentation
says, and what of that the template could break. `FACTS` names the types that were read; a new one is read
before it is used. Sources: the CloudFormation reference of each type, and the quotas of its service."""

from collections import Counter
from itertools import chain
from typing import Any

import pytest

from local.template import read_template
from tests.aws import TEMPLATE

Json = dict[str, Any]

BODY = read_template(TEMPLATE).body
RESOURCES: Json = BODY["Resources"]
FACTS = {
    "AWS::CloudFront::Distribution": "75 behaviors, 100 origins; see test_template_website",
    "AWS::CloudFront::Function": "10 KB of code; its name is unique in an account, over all Regions",
    "AWS::CloudFront::OriginAccessControl": "its name has 64 characters and is unique in an account",
    "AWS::CloudFront::ResponseHeadersPolicy": "its name is unique in an account; 20 policies in one",
    "AWS::CloudWatch::Alarm": "$0.10 a metric after ten; see test_template_alarms",
    "AWS::CloudWatch::Dashboard": "$3 above 50 metrics; 500 widgets; see test_template",
    "AWS::Cognito::UserPool": "aliases, case and attributes cannot be changed, nor attributes removed",
    "AWS::Cognito::UserPoolClient": "another secret setting replaces it: its id is the audience of tokens",
    "AWS::Cognito::UserPoolDomain": "63 characters, unique in a Region; a pool with one is not deleted",
    "AWS::Cognito::UserPoolGroup": "another name replaces it, and its members are in none",
    "AWS::DynamoDB::Table": "other keys replace it; one index made or removed at a time",
    "AWS::Events::EventBus": "another name replaces it, and rules of others point to nothing",
    "AWS::Events::Rule": "five targets; see test_template_limits",
    "AWS::IAM::Role": "10,240 characters of inline policies; see test_template_limits",
    "AWS::Lambda::EventSourceMapping": "a batch above ten waits for a window; see test_template_limits",
    "AWS::Lambda::Function": "five layers, 250 MB, 4 KB of environment, 256 characters of description",
    "AWS::Lambda::LayerVersion": "never updated, always replaced; functions keep a version that is deleted",
    "AWS::Lambda::Permission": "a public URL needs two since October 2025; see test_template",
    "AWS::Lambda::Url": "100 headers of CORS and 6 methods; see test_template_limits",
    "AWS::Logs::LogGroup": "keeps for ever without a retention; see test_template",
    "AWS::Logs::MetricFilter": "100 for a group, 1,024 characters, no default value beside dimensions",
    "AWS::S3::Bucket": "names are unique in the world; must be empty to be deleted",
    "AWS::S3::BucketPolicy": "20 KB, one for a bucket",
    "AWS::SQS::Queue": "a dead letter keeps the age of its message, so its queue keeps longer",
    "AWS::SQS::QueuePolicy": "sets the policy of its queues: of two for one queue, one is lost",
    "AWS::Scheduler::ScheduleGroup": "64 characters; deleting it deletes the schedules in it",
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
def test_names_that_must_be_given_fit_and_are_of_one_stack_and_region(kind: str) -> None:
    key, longest = NAMES[kind]
    for name, properties in of_type(kind).items():
        [config] = [one for one in (properties, *properties.values()) if isinstance(one, dict) and key in one]
        text = config[key]["Fn::Sub"]
        assert "${AWS::StackName}" in text, name
        assert ("${AWS::Region}" in text) == kind.startswith("AWS::CloudFront"), name
        filled = text.replace("${AWS::StackName}", LONGEST_STACK).replace("${AWS::Region}", REGION)
        assert len(filled) <= longest, name


def test_nothing_else_has_a_name_of_ours() -> None:
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


def test_settings_of_the_user_pool_that_cannot_be_changed_are_as_they_were() -> None:
    """A release that changes one of these cannot update a stack, or replaces its pool."""
    [pool] = of_type("AWS::Cognito::UserPool").values()
    fixed = ("Schema", "AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
    assert {name: pool[name] for name in fixed if name in pool} == {
        "Schema": [{"Name": "organization", "AttributeDataType": "String", "Mutable": True}]
    }
    [client] = of_type("AWS::Cognito::UserPoolClient").values()
    assert client["GenerateSecret"] is False


def test_log_groups_have_few_filters_whose_patterns_fit() -> None:
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


def test_code_at_the_edge_is_small() -> None:
    for function in of_type("AWS::CloudFront::Function").values():
        assert len(str(function["FunctionCode"]).encode()) <= 10_240
