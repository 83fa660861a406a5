"""Every source of pipelines on the local stack, from the origin of events to a server that receives them."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from millrace.domain.signatures import Scheme
from tests.api.talk import error_of, say
from tests.e2e.streaming import started, wait_until
from tests.e2e.test_pipelines import Receiver, receiver
from tests.services.pipelines.intake.test_outbox import database
from tests.services.pipelines.intake.test_webhooks import BODY, SCHEMES, TIMED, secret_for, signed, source
from tests.stack import RunningStack

__all__ = ["database", "receiver"]


def fed_by(chat: httpx.Client, receiver: Receiver, **source: Any) -> str:
    """The id of a running pipeline from this source to the receiver."""
    destination = {"type": "webhook", "config": {"url": receiver.url}}
    return started(chat, source=source, destination=destination)


def test_run_feeds_a_pipeline(chat: httpx.Client, receiver: Receiver) -> None:
    fed_by(chat, receiver, type="agent_execution", agentIds=["echo"])
    say(chat, "hello")
    (event,) = receiver.receive(1)
    assert (event["agentId"], event["status"]) == ("echo", "completed")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_signed_webhook_feeds_a_pipeline_and_no_other(
    stack: RunningStack, chat: httpx.Client, receiver: Receiver, scheme: Scheme
) -> None:
    url = f"{stack.url}/hooks/{fed_by(chat, receiver, **source(scheme, secret_for(scheme)))}"
    now = int(time.time())
    good = {"idempotency-key": "delivery-1"} | signed(scheme, seconds=now)
    refused = [{}, signed(scheme, b"{}", now)] + [signed(scheme, seconds=now - 301)] * (scheme in TIMED)
    for headers in refused:
        assert error_of(httpx.post(url, content=BODY, headers=headers)) == (401, "signature_invalid")
    first, again = (httpx.post(url, content=BODY, headers=good) for _ in range(2))
    assert (first.status_code, first.json()["ids"]) == (202, again.json()["ids"])
    assert receiver.receive(1) == [json.loads(BODY)]


def test_call_of_the_api_feeds_a_pipeline(chat: httpx.Client, receiver: Receiver) -> None:
    """The refused call of a streamed function and the accepted one of the buffered function; not the read."""
    fed_by(chat, receiver, type="api_event", methods=["POST"], paths=["/api/agents*", "/api/conversations/*"])
    chat.get("/api/agents")
    assert chat.post("/api/conversations/c1/messages", json={}).status_code == 422
    assert chat.post("/api/agents", json={"id": "mine", "name": "Mine"}).status_code == 201
    found = sorted((one["path"], one["status"]) for one in receiver.receive(2))
    assert found == [("/api/agents", 201), ("/api/conversations/c1/messages", 422)]


def test_schedule_feeds_a_pipeline(stack: RunningStack, chat: httpx.Client, receiver: Receiver) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)  # a rate's first tick is a minute away
    at = f"at({soon:%Y-%m-%dT%H:%M:%S})"
    id = fed_by(chat, receiver, type="schedule", expression=at, payload={"report": "daily"})
    body = receiver.bodies.get(timeout=90)
    assert body["report"] == "daily"
    assert body["scheduledTime"].endswith("Z")
    assert chat.post(f"/api/streaming/pipelines/{id}/stop").status_code == 200


def allow(stack: RunningStack, organizations: str, **variables: str) -> None:
    """Sets ChangeOrganizations, as a deployment with that parameter would."""
    client = stack.client("lambda")
    name = stack.deployment["functions"]["ChangeCaptureFunction"]["name"]
    found = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    environment = {"Variables": found | {"CHANGE_ORGANIZATIONS": organizations} | variables}
    client.update_function_configuration(FunctionName=name, Environment=environment)


@pytest.fixture
def table(stack: RunningStack) -> Iterator[str]:
    """A table with a stream, mapped to the function as docs/pipelines/sources.md shows."""
    name = f"orders-{uuid.uuid4().hex[:12]}"
    dynamodb, functions = stack.client("dynamodb"), stack.client("lambda")
    made = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    outputs = stack.deployment["outputs"]
    mapping = functions.create_event_source_mapping(
        FunctionName=outputs["ChangeCaptureFunctionArn"],
        EventSourceArn=made["TableDescription"]["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": outputs["ChangeDeadLetterQueueArn"]}},
    )
    yield name
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    dynamodb.delete_table(TableName=name)


def test_change_in_dynamodb_feeds_a_pipeline(
    stack: RunningStack, chat: httpx.Client, receiver: Receiver, organization: str, table: str
) -> None:
    """It waits in the stream as long as nobody has said whose it is."""
    fed_by(chat, receiver, type="database_change", table=table, operations=["update", "delete"])
    dynamodb = stack.client("dynamodb")
    key = {"id": {"S": "1"}}
    row = key | {"tenant": {"S": organization}, "total": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item=row)
    dynamodb.put_item(TableName=table, Item=row | {"total": {"N": "2.5"}})
    dynamodb.put_item(TableName=table, Item=row | {"id": {"S": "2"}, "tenant": {"S": "somebody-else"}})
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "2"}})
    dynamodb.delete_item(TableName=table, Key=key)
    allow(stack, f"{table}=@tenant")
    update, delete = sorted(receiver.receive(2), key=lambda one: str(one["operation"]), reverse=True)
    assert (update["operation"], update["keys"]) == ("update", {"id": "1"})
    assert (update["old"]["total"], update["new"]["total"]) == (1, 2.5)
    assert (delete["operation"], delete["new"], delete["old"]["total"]) == ("delete", None, 2.5)
    assert receiver.bodies.empty()


def test_change_in_postgresql_feeds_a_pipeline(
    stack: RunningStack, chat: httpx.Client, receiver: Receiver, organization: str, database: str
) -> None:
    fed_by(chat, receiver, type="database_change", table="orders")
    with psycopg.connect(database) as application:
        application.execute("INSERT INTO orders VALUES (1, %s, 2.5, '{}')", (organization,))
    secret = stack.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretString=database)
    allow(stack, "", OUTBOX_SECRET=secret["ARN"])
    name = stack.deployment["functions"]["ChangeCaptureFunction"]["name"]
    try:
        answer = stack.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        assert json.loads(answer["Payload"].read()) == {"rows": 1}
    finally:
        allow(stack, "", OUTBOX_SECRET="")
    (event,) = receiver.receive(1)
    assert (event["operation"], event["new"]["total"]) == ("insert", 2.5)


def test_rule_of_ones_own_feeds_a_pipeline(
    stack: RunningStack, chat: httpx.Client, receiver: Receiver, organization: str
) -> None:
    """Any event of the account, to one pipeline, whatever that one's source."""
    id = fed_by(chat, receiver, type="webhook")
    events, name = stack.client("events"), f"own-{uuid.uuid4().hex[:12]}"
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["my.shop"], "detail-type": ["sold"]}))
    head = json.dumps({"organization": organization, "pipelineId": id})[:-1]
    transformer = {"InputTemplate": f'{head}, "event": <aws.events.event.json>}}'}
    queue = stack.deployment["outputs"]["IngestQueueArn"]
    target = {"Id": "pipeline", "Arn": queue, "InputTransformer": transformer}
    events.put_targets(Rule=name, Targets=[target])
    try:
        sold = {"Source": "my.shop", "DetailType": "sold", "Detail": '{"sku": "a", "price": 9.5}'}
        events.put_events(Entries=[sold | {"DetailType": "seen"}, sold])
        assert receiver.receive(1) == [{"sku": "a", "price": 9.5}]
    finally:
        events.remove_targets(Rule=name, Ids=["pipeline"])
        events.delete_rule(Name=name)
    processed = f"/api/streaming/pipelines/{id}/metrics"
    wait_until(lambda: chat.get(processed).json()["itemsProcessed"] == 1)
