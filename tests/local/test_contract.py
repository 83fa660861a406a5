"""The contract of moto and MiniStack: the same assertions about each, so that either can be used.

Not here: concurrency, FIFO order and rules to targets, which moto does not have right; and malformed details
of events, which MiniStack takes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.ministack import ClientArguments, MiniStack

ACCOUNT = "000000000099"
MOTO: dict[str, str] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
}


@dataclass(frozen=True)
class Clients:
    dynamodb: Any
    sqs: Any
    events: Any


@pytest.fixture(params=["moto", "ministack"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    if request.param == "moto":
        with mock_aws():
            yield _clients(MOTO)
    else:
        running: MiniStack = request.getfixturevalue("ministack")
        yield _clients(running.client_arguments(ACCOUNT))


def _clients(arguments: dict[str, str] | ClientArguments) -> Clients:
    made: dict[str, Any] = dict(arguments)
    client: Any = boto3.client
    return Clients(*(client(service, **made) for service in ("dynamodb", "sqs", "events")))


@pytest.fixture
def table(clients: Clients) -> str:
    name = f"table-{uuid4().hex[:8]}"
    clients.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "listPk", "listSk")
        ],
        KeySchema=_keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "ByUpdate",
                "KeySchema": _keys("listPk", "listSk"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return name


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def item(pk: str, sk: str, **more: str) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in {"pk": pk, "sk": sk, **more}.items()}


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def test_conditional_put_succeeds_once(clients: Clients, table: str) -> None:
    put = {"TableName": table, "ConditionExpression": "attribute_not_exists(pk)"}
    clients.dynamodb.put_item(**put, Item=item("a", "1", text="first"))
    with pytest.raises(ClientError) as caught:
        clients.dynamodb.put_item(
            **put, Item=item("a", "1", text="second"), ReturnValuesOnConditionCheckFailure="ALL_OLD"
        )
    assert code_of(caught) == "ConditionalCheckFailedException"
    assert caught.value.response["Item"]["text"] == {"S": "first"}  # type: ignore[typeddict-item]
    stored = clients.dynamodb.get_item(TableName=table, Key=item("a", "1"), ConsistentRead=True)
    assert stored["Item"]["text"] == {"S": "first"}


def test_conditional_update_returns_what_it_made(clients: Clients, table: str) -> None:
    update = {
        "TableName": table,
        "Key": item("a", "1"),
        "UpdateExpression": "ADD #n :one SET #t = if_not_exists(#t, :t)",
        "ExpressionAttributeNames": {"#n": "number", "#t": "title"},
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":t": {"S": "kept"}},
        "ReturnValues": "ALL_NEW",
    }
    clients.dynamodb.update_item(**update)
    made = clients.dynamodb.update_item(**update)["Attributes"]
    assert (made["number"], made["title"]) == ({"N": "2"}, {"S": "kept"})


def test_transaction_happens_whole_or_not_at_all(clients: Clients, table: str) -> None:
    clients.dynamodb.put_item(TableName=table, Item=item("a", "taken"))
    puts = [
        {
            "Put": {
                "TableName": table,
                "Item": item("a", sk),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }
        for sk in ("free", "taken")
    ]
    with pytest.raises(ClientError) as caught:
        clients.dynamodb.transact_write_items(TransactItems=puts)
    assert code_of(caught) == "TransactionCanceledException"
    reasons: Any = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert "Item" not in clients.dynamodb.get_item(TableName=table, Key=item("a", "free"))


def test_query_pages_in_order_and_back(clients: Clients, table: str) -> None:
    for number in range(7):
        clients.dynamodb.put_item(TableName=table, Item=item("a", f"{number:02}"))
    clients.dynamodb.put_item(TableName=table, Item=item("b", "03"))
    query = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk AND sk > :after",
        "ExpressionAttributeValues": {":pk": {"S": "a"}, ":after": {"S": "01"}},
        "Limit": 3,
    }
    first = clients.dynamodb.query(**query)
    rest = clients.dynamodb.query(**query, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [one["sk"]["S"] for one in first["Items"] + rest["Items"]] == ["02", "03", "04", "05", "06"]
    back = clients.dynamodb.query(**query, ScanIndexForward=False)
    assert [one["sk"]["S"] for one in back["Items"]] == ["06", "05", "04"]


def test_index_is_sparse_and_sorted(clients: Clients, table: str) -> None:
    clients.dynamodb.put_item(TableName=table, Item=item("a", "1", listPk="org", listSk="2"))
    clients.dynamodb.put_item(TableName=table, Item=item("a", "2", listPk="org", listSk="1"))
    clients.dynamodb.put_item(TableName=table, Item=item("a", "3"))
    found = clients.dynamodb.query(
        TableName=table,
        IndexName="ByUpdate",
        KeyConditionExpression="listPk = :org",
        ExpressionAttributeValues={":org": {"S": "org"}},
    )["Items"]
    assert [one["sk"]["S"] for one in found] == ["2", "1"]


def test_filter_counts_what_it_scanned(clients: Clients, table: str) -> None:
    for number in range(4):
        clients.dynamodb.put_item(TableName=table, Item=item("a", str(number), even=str(number % 2 == 0)))
    found = clients.dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        FilterExpression="even = :yes",
        ExpressionAttributeValues={":pk": {"S": "a"}, ":yes": {"S": "True"}},
    )
    assert (found["Count"], found["ScannedCount"]) == (2, 4)


def test_batch_write_is_whole(clients: Clients, table: str) -> None:
    puts = [{"PutRequest": {"Item": item("a", f"{number:02}")}} for number in range(25)]
    answer = clients.dynamodb.batch_write_item(RequestItems={table: puts})
    assert not answer["UnprocessedItems"]
    assert clients.dynamodb.scan(TableName=table)["Count"] == 25


def test_item_above_400_kilobytes_is_refused(clients: Clients, table: str) -> None:
    with pytest.raises(ClientError) as caught:
        clients.dynamodb.put_item(TableName=table, Item=item("a", "1", text="x" * 410_000))
    assert code_of(caught) == "ValidationException"


def test_message_is_received_until_it_is_deleted(clients: Clients) -> None:
    url = clients.sqs.create_queue(QueueName=f"queue-{uuid4().hex[:8]}")["QueueUrl"]
    attributes = {"kind": {"DataType": "String", "StringValue": "test"}}
    clients.sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes)
    received = _receive(clients, url)
    assert received["Body"] == "hello"
    assert received["MessageAttributes"]["kind"]["StringValue"] == "test"
    clients.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=received["ReceiptHandle"], VisibilityTimeout=0
    )
    again = _receive(clients, url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)


def _receive(clients: Clients, url: str) -> dict[str, Any]:
    answer = clients.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=2, AttributeNames=["All"], MessageAttributeNames=["All"]
    )
    received: dict[str, Any] = answer["Messages"][0]
    return received


def test_batch_tells_what_it_took(clients: Clients) -> None:
    url = clients.sqs.create_queue(QueueName=f"queue-{uuid4().hex[:8]}")["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    answer = clients.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == [entry["Id"] for entry in entries]
    assert not answer.get("Failed")


def test_put_events_answers_each_entry_with_an_id(clients: Clients) -> None:
    bus = f"bus-{uuid4().hex[:8]}"
    clients.events.create_event_bus(Name=bus)
    detail = json.dumps({"runId": "r1"})
    entry = {"EventBusName": bus, "Source": "millrace", "DetailType": "agent_execution", "Detail": detail}
    answer = clients.events.put_events(Entries=[entry] * 10)
    assert answer["FailedEntryCount"] == 0
    assert len({one["EventId"] for one in answer["Entries"]}) == 10


def test_more_than_ten_events_at_once_are_refused(clients: Clients) -> None:
    entry = {"Source": "millrace", "DetailType": "agent_execution", "Detail": "{}"}
    with pytest.raises(ClientError) as caught:
        clients.events.put_events(Entries=[entry] * 11)
    assert code_of(caught) == "ValidationException"


def test_rule_brings_an_event_to_a_queue(ministack: MiniStack) -> None:
    clients = _clients(ministack.client_arguments(ACCOUNT))
    bus = f"bus-{uuid4().hex[:8]}"
    url = clients.sqs.create_queue(QueueName=f"target-{uuid4().hex[:8]}")["QueueUrl"]
    arn = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    clients.events.create_event_bus(Name=bus)
    pattern = json.dumps({"source": ["millrace"], "detail-type": ["agent_execution"]})
    clients.events.put_rule(Name="all-runs", EventBusName=bus, EventPattern=pattern)
    clients.events.put_targets(Rule="all-runs", EventBusName=bus, Targets=[{"Id": "q", "Arn": arn}])
    entry = {"EventBusName": bus, "Source": "millrace", "Detail": json.dumps({"text": "<source>"})}
    answer = clients.events.put_events(
        Entries=[entry | {"DetailType": "something_else"}, entry | {"DetailType": "agent_execution"}]
    )
    event = json.loads(_receive(clients, url)["Body"])
    assert (event["source"], event["detail-type"]) == ("millrace", "agent_execution")
    assert event["detail"] == {"text": "<source>"}
    assert event["id"] == answer["Entries"][1]["EventId"]
    assert event["account"] == ACCOUNT
    assert {"version", "time", "region", "resources"} <= event.keys()
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)
