"""Queues: failed messages are received again soon, with growing delays."""

from typing import Any

import pytest

from millrace.stores.aws import Aws as AwsClients
from millrace.stores.queues import Queue, again_after
from tests.aws import Aws

LONG = 3_600


@pytest.fixture
def url(aws: Aws, request: pytest.FixtureRequest) -> str:
    """A queue on which a message that was received is not seen again for an hour."""
    made = aws.client("sqs").create_queue(
        QueueName=f"queue-{abs(hash(request.node.nodeid))}", Attributes={"VisibilityTimeout": str(LONG)}
    )
    return str(made["QueueUrl"])


def received(aws: Aws, url: str, wait: int = 0) -> list[dict[str, Any]]:
    """Messages as Lambda hands them over."""
    answer = aws.client("sqs").receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    return [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
        }
        for one in answer.get("Messages", ())
    ]


def test_failed_messages_alone_become_visible_again_in_seconds(aws_environment: Aws, url: str) -> None:
    clients = AwsClients(aws_environment.region)
    queue = Queue(clients, url)
    queue.send(["good", "bad"])
    batch = received(aws_environment, url)
    (bad,) = [one["messageId"] for one in batch if one["body"] == "bad"]
    assert queue.answer({"Records": batch}, {bad}) == {"batchItemFailures": [{"itemIdentifier": bad}]}
    assert received(aws_environment, url) == []
    assert [one["body"] for one in received(aws_environment, url, wait=20)] == ["bad"]
    clients.close()


def test_queue_that_does_not_answer_costs_only_the_haste(
    aws_environment: Aws, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clients = AwsClients(aws_environment.region)
    record = {"messageId": "m", "receiptHandle": "nonsense", "attributes": {"ApproximateReceiveCount": "1"}}
    gone = Queue(clients, url + "-gone")
    assert gone.answer({"Records": [record]}, {"m"}) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert "cannot be seen again sooner" in caplog.text
    clients.close()


def test_each_failure_waits_longer_up_to_five_minutes() -> None:
    assert [again_after(receives) for receives in range(1, 10)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_messages_tell_their_organization_so_that_queues_are_fair(aws_environment: Aws, url: str) -> None:
    """Whatever an organization is called: SQS takes 128 characters of few kinds as a group."""
    queue = Queue(AwsClients(aws_environment.region), url)
    names = ["acme", "größe 7/#\ud800", "x" * 500]
    for name in names:
        queue.send(["body", "another"], organization=name)
    queue.send(["of nobody"])
    groups: list[str | None] = []
    client = aws_environment.client("sqs")
    while found := client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    ).get("Messages"):
        groups += [one.get("Attributes", {}).get("MessageGroupId") for one in found]
    assert len(groups) == 7
    assert len(set(groups)) == 4
    assert all(group is None or (len(group) <= 128 and group.isalnum()) for group in groups)
