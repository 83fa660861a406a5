"""Batches of a queue, with the records that Lambda's pollers create."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from hypothesis import given
from hypothesis import strategies as st

from millrace.errors import Unavailable
from millrace.services.batches import QueueBatch
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.queues import Queue
from tests.aws import Aws
from tests.log_lines import captured_logs

EVENT = json.loads((Path(__file__).parent.parent.parent / "events/deliver/one_job.json").read_text())
SECRET = "sk-live-4711"


def batch_of(bodies: list[str]) -> dict[str, Any]:
    """An event as SQS sends it, with these bodies."""
    (record,) = EVENT["Records"]
    return {"Records": [record | {"messageId": str(at), "body": body} for at, body in enumerate(bodies)]}


class SeenAgain(Queue):
    """Keeps which messages were made visible sooner, without AWS."""

    def __init__(self) -> None:
        self.again: list[str] = []

    def see_again(self, records: list[dict[str, Any]]) -> None:
        self.again += [record["messageId"] for record in records]


async def process(record: SQSRecord) -> None:
    await asyncio.sleep(0)
    if record.body != "good":
        raise RuntimeError(f"a library tells {SECRET}")


@given(st.lists(st.sampled_from(["good", "bad"]), max_size=10))
def test_exactly_what_failed_is_reported_and_seen_again(bodies: list[str]) -> None:
    """Also where all failed: an exception would hold the messages up until the visibility timeout is over."""
    queue = SeenAgain()
    answer = asyncio.run(QueueBatch(queue).process_all(batch_of(bodies), process))
    bad = [str(at) for at, body in enumerate(bodies) if body == "bad"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": one} for one in bad]}
    assert queue.again == bad


async def test_messages_are_taken_side_by_side() -> None:
    together = asyncio.Barrier(3)

    async def meet(record: SQSRecord) -> None:
        await together.wait()

    answer = await asyncio.wait_for(QueueBatch(SeenAgain()).process_all(batch_of(["a", "b", "c"]), meet), 10)
    assert answer == {"batchItemFailures": []}


@pytest.mark.parametrize(("private", "is_logged"), [(False, True), (True, False)])
async def test_log_lines_of_libraries_are_filtered(private: bool, is_logged: bool) -> None:
    with captured_logs() as lines:
        await QueueBatch(SeenAgain(), private=private).process_all(batch_of(["good", "bad"]), process)
    (line,) = lines()
    assert line["level"] == "ERROR"
    assert line["message"].startswith("message 1 failed")
    assert (SECRET in json.dumps(line)) is is_logged


async def test_our_own_errors_say_what_is_wrong_also_where_it_is_private() -> None:
    async def refuse(record: SQSRecord) -> None:
        raise Unavailable("The table does not answer.")

    with captured_logs() as lines:
        await QueueBatch(SeenAgain(), private=True).process_all(batch_of(["x"]), refuse)
    assert [line["message"] for line in lines()] == ["message 0 failed: The table does not answer."]


@pytest.fixture
def queue_url(aws_environment: Aws) -> Iterator[str]:
    client = aws_environment.client("sqs")
    url = client.create_queue(QueueName=f"batch-{uuid.uuid4().hex}")["QueueUrl"]
    yield url
    client.delete_queue(QueueUrl=url)


async def test_messages_of_a_real_queue_go_through(aws_environment: Aws, queue_url: str) -> None:
    clients = AwsClients(aws_environment.region)
    queue = Queue(clients, queue_url)
    queue.send(["good", "bad"])
    got = clients.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    records = [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
        }
        for one in got
    ]
    answer = await QueueBatch(queue).process_all({"Records": records}, process)
    (bad,) = [one["messageId"] for one in records if one["body"] == "bad"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": bad}]}
    clients.close()
