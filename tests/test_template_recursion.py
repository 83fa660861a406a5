"""Functions that receive their own messages, found from the template's wiring.

After about 16 rounds, Lambda stops such a chain and sends the event to the dead-letter queue, unless the
function has `RecursiveLoop: Allow`. Then our own limits (hops, rounds, attempts) apply.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from tests.templates import translated, written

Resources = dict[str, dict[str, Any]]
Wiring = dict[str, set[str]]
Edges = Iterable[tuple[str, str]]

# Actions that may call another function. Reading or deleting sends nothing.
SENDS = (
    "sqs:SendMessage",
    "sns:Publish",
    "events:PutEvents",
    "lambda:InvokeFunction",
    "s3:PutObject",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:BatchWriteItem",
)


@pytest.fixture(scope="module")
def resources() -> Resources:
    found: Resources = translated().body["Resources"]
    return found


def named(value: Any, resources: Resources) -> set[str]:
    """Return the logical ids that a value of the template refers to, in any form."""
    text = json.dumps(value)
    words = re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"([A-Za-z0-9]+)', text) + re.findall(
        r"\$\{([A-Za-z0-9]+)", text
    )
    return set(words) & resources.keys()


def policies(role: dict[str, Any]) -> list[dict[str, Any]]:
    flat = [
        one
        for each in role.get("Policies", ())
        for one in (each["Fn::If"][1:] if "Fn::If" in each else [each])
    ]
    statements = [one["PolicyDocument"]["Statement"] for one in flat if "PolicyDocument" in one]
    return [one for each in statements for one in (each if isinstance(each, list) else [each])]


def is_sending(action: str) -> bool:
    return any(action.rstrip("*") in send or send in action for send in SENDS)


def wiring_of(resources: Resources) -> Wiring:
    """Return, for each function, queue, bus, table, bucket and topic, the resources that it passes messages
    to."""
    wiring: Wiring = defaultdict(set)
    for name, resource in resources.items():
        for source, target in WIRES.get(resource["Type"], nothing)(
            name, resource.get("Properties", {}), resources
        ):
            wiring[source].add(target)
    return wiring


def nothing(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    return []


def sent_by(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    """Yield the resources that a function's role lets it write to."""
    role = resources[properties["Role"]["Fn::GetAtt"][0]]["Properties"]
    for statement in policies(role):
        actions = statement["Action"]
        if any(map(is_sending, actions if isinstance(actions, list) else [actions])):
            yield from ((name, target) for target in named(statement["Resource"], resources))


def mapped(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    return product(
        named(properties["EventSourceArn"], resources), named(properties["FunctionName"], resources)
    )


def ruled(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    targets = named([one["Arn"] for one in properties["Targets"]], resources)
    return product(named(properties.get("EventBusName"), resources), targets)


def subscribed(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    return product(named(properties["TopicArn"], resources), named(properties["Endpoint"], resources))


def notified(name: str, properties: dict[str, Any], resources: Resources) -> Edges:
    return product([name], named(properties.get("NotificationConfiguration"), resources))


WIRES: dict[str, Callable[[str, dict[str, Any], Resources], Edges]] = {
    "AWS::Lambda::Function": sent_by,
    "AWS::Lambda::EventSourceMapping": mapped,
    "AWS::Events::Rule": ruled,
    "AWS::SNS::Subscription": subscribed,
    "AWS::S3::Bucket": notified,
}


def reached(wiring: Wiring, start: str) -> set[str]:
    found: set[str] = set()
    left = list(wiring.get(start, ()))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += wiring.get(name, ())
    return found


def looping(resources: Resources) -> set[str]:
    """Return the functions that may be called because of what they sent, directly or through others."""
    wiring = wiring_of(resources)
    functions = [name for name, one in resources.items() if one["Type"] == "AWS::Lambda::Function"]
    return {name for name in functions if name in reached(wiring, name)}


def test_wiring_finds_the_functions_that_send_to_themselves(resources: Resources) -> None:
    found = looping(resources)
    assert found >= {"TransformFunction", "DeliverFunction", "RecordFunction"}
    assert not found & {"ConversationFunction", "ApiFunction", "VoiceFunction"}


def test_wiring_follows_streams_rules_and_notifications() -> None:
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}}
    statement = {
        "Action": ["dynamodb:PutItem"],
        "Resource": [{"Fn::Sub": ["x/${t}", {"t": {"Ref": "Table"}}]}],
    }
    mapping = {"FunctionName": {"Ref": "Function"}, "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]}}
    resources: Resources = {
        "Function": function,
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]},
        },
        "Table": {"Type": "AWS::DynamoDB::Table"},
        "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
    }
    assert looping(resources) == {"Function"}
    statement["Action"] = ["dynamodb:GetItem"]
    assert looping(resources) == set()


def test_functions_that_send_to_their_own_source_allow_it(resources: Resources) -> None:
    allowed = {
        name
        for name, one in resources.items()
        if one["Type"] == "AWS::Lambda::Function" and one["Properties"].get("RecursiveLoop") == "Allow"
    }
    assert allowed == looping(resources)


def test_dropped_recursive_invocations_raise_an_alarm() -> None:
    """The alarm covers every function: one that allows loops drops nothing, and the others must not be in a
    loop."""
    (alarm,) = [
        one["Properties"]
        for one in written()["Resources"].values()  # the emulator plays no such alarm
        if one["Type"] == "AWS::CloudWatch::Alarm" and "RecursiveInvocationsDropped" in json.dumps(one)
    ]
    (query,) = alarm["Metrics"]
    assert 'FROM SCHEMA("AWS/Lambda", FunctionName)' in query["Expression"], "Lambda publishes it by function"
    assert (query["Period"], query["ReturnData"]) == (300, True)
    assert not alarm.keys() & {"MetricName", "Namespace", "Statistic", "Period", "Dimensions"}
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Threshold"] == 0
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
