"""Features that the AWS emulator lacks, as local/emulator.py adds them."""

import io
import json
import uuid
import zipfile
from typing import Any

import boto3
import pytest

from local.emulator import failed_in_part, with_context
from local.ministack import ClientArguments, MiniStack

SECONDS = 20
CODE = """
import json, boto3, os

client = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
calls = 0


def handler(event, context):
    global calls
    calls += 1
    numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
    client.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(numbers))
    return {"batchItemFailures": [{"itemIdentifier": numbers[0]}] if calls == 1 else []}
"""


@pytest.fixture
def arguments(ministack: MiniStack) -> ClientArguments:
    return ministack.client_arguments("000000000091")


def queue(arguments: ClientArguments) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = boto3.client("sqs", **arguments)
    url = sqs.create_queue(QueueName=f"seen-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, found["Attributes"]["QueueArn"]


def receive(arguments: ClientArguments, url: str) -> Any:
    """The next message's body; fails when none comes."""
    sqs = boto3.client("sqs", **arguments)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=SECONDS)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


def test_schedules_input_tells_when_it_was_to_fire(arguments: ClientArguments) -> None:
    url, arn = queue(arguments)
    boto3.client("scheduler", **arguments).create_schedule(
        Name="once",
        ScheduleExpression="at(2026-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": arn,
            "RoleArn": "arn:aws:iam::000000000091:role/any",
            "Input": '{"time": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>"}',
        },
    )
    message = receive(arguments, url)
    assert message["time"].endswith("Z")
    assert uuid.UUID(message["id"])


def test_input_without_attributes_stays_as_it_is() -> None:
    event = {"Resources": ["arn"], "Time": 1_800_000_000}
    assert with_context({"Input": "{}"}, event) == {"Input": "{}"}
    message = with_context({"Input": "<aws.scheduler.scheduled-time> <aws.scheduler.schedule-arn>"}, event)
    assert message == {"Input": "2027-01-15T08:00:00Z arn"}


def test_streams_batch_that_failed_in_part_comes_again(arguments: ClientArguments) -> None:
    url, _ = queue(arguments)
    dynamodb, functions = boto3.client("dynamodb", **arguments), boto3.client("lambda", **arguments)
    table = dynamodb.create_table(
        TableName=f"rows-{uuid.uuid4().hex[:12]}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", CODE)
    function = functions.create_function(
        FunctionName=f"takes-{uuid.uuid4().hex[:12]}",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000091:role/any",
        Handler="app.handler",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"SEEN": url}},
    )
    mapping = functions.create_event_source_mapping(
        FunctionName=function["FunctionName"],
        EventSourceArn=table["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    dynamodb.put_item(TableName=table["TableName"], Item={"id": {"S": "1"}})
    assert receive(arguments, url) == receive(arguments, url)
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("aws:dynamodb", {"batchItemFailures": [{"itemIdentifier": "1"}]}, True),
        ("aws:dynamodb", {"batchItemFailures": []}, False),
        ("aws:dynamodb", None, False),
        ("aws:sqs", {"batchItemFailures": [{"itemIdentifier": "1"}]}, False),
    ],
)
def test_only_a_streams_batch_counts_as_failed_in_part(source: str, answer: Any, expected: bool) -> None:
    assert failed_in_part({"Records": [{"eventSource": source}]}, {"body": answer}) is expected
