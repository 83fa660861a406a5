"""Changes of a DynamoDB table, from its stream to pipelines."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from local.deploy import deploy
from local.ministack import MiniStack
from local.template import Template
from millrace.errors import Unavailable
from millrace.services.pipelines.queue_messages import BYTES_PER_MESSAGE
from millrace.stores.bus import BusEvent, EventBus
from tests.aws import Aws
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made
from tests.services.pipelines.intake.capturing import SeenBus, seen_bus
from tests.services.pipelines.processing.test_flow import send

ARN = "arn:aws:dynamodb:us-east-1:111111111111:table/orders/stream/2026-11-21T00:00:00.000"
OLD = {"id": {"S": "1"}, "tenant": {"S": "acme"}, "total": {"N": "1.10"}}
NEW = OLD | {"total": {"N": "12345678901234567890123456789.01"}}


def record(name: str, number: int = 1, **images: Any) -> dict[str, Any]:
    """A record as DynamoDB Streams gives it to Lambda."""
    return {
        "eventID": f"event-{number}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_800_000_000,
            "Keys": {"id": {"S": "1"}},
            "SequenceNumber": f"{number:021d}",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        | images,
        "eventSourceARN": ARN,
    }


@pytest.fixture
def bus(aws_environment: Aws) -> Iterator[SeenBus]:
    with seen_bus(aws_environment) as made:
        yield made


def capture(bus: SeenBus, *records: dict[str, Any], owners: str = "orders=@tenant") -> Any:
    return asyncio.run(bus.changes(owners).capture_stream({"Records": list(records)}))


def test_change_tells_operation_keys_and_both_images_exactly(bus: SeenBus) -> None:
    change = record("MODIFY", OldImage=OLD, NewImage=NEW)
    assert capture(bus, change, change) == {"batchItemFailures": []}
    first, again = bus.events()
    assert (first["source"], first["detail-type"]) == ("millrace.database_change", "update")
    assert first["detail"] == again["detail"]
    assert first["detail"] == {
        "id": "event-1",
        "time": "2027-01-15T08:00:00.000Z",
        "organization": "acme",
        "table": "orders",
        "operation": "update",
        "sequence": "1".zfill(40),
        "keys": {"id": "1"},
        "old": {"id": "1", "tenant": "acme", "total": 1.1},
        "new": {"id": "1", "tenant": "acme", "total": "12345678901234567890123456789.01"},
    }


def test_inserts_deletes_and_what_expired_are_told_apart(bus: SeenBus) -> None:
    ttl = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    capture(
        bus,
        record("INSERT", 1, NewImage=OLD),
        record("REMOVE", 2, OldImage=OLD),
        record("REMOVE", 3, OldImage=OLD) | ttl,
    )
    found = [(one["operation"], one["old"] is None, one.get("expired", False)) for one in bus.details()]
    assert found == [("insert", True, False), ("delete", False, False), ("delete", False, True)]


@pytest.mark.parametrize(("old", "new", "expected"), [(150, 10, ["old"]), (10, 250, ["new", "old"])])
def test_images_that_are_too_large_are_left_out_and_named(
    bus: SeenBus, old: int, new: int, expected: list[str]
) -> None:
    images: dict[str, Any] = {
        name: OLD | {"text": {"S": "é" * size * 1024}}
        for name, size in (("OldImage", old), ("NewImage", new))
    }
    capture(bus, record("MODIFY", **images))
    (detail,) = bus.details()
    assert detail["leftOut"] == expected
    assert [detail[name] for name in expected] == [None] * len(expected)
    assert detail["keys"] == {"id": "1"}
    assert len(json.dumps(detail, ensure_ascii=False).encode()) <= BYTES_PER_MESSAGE


def test_record_that_cannot_be_an_event_is_a_letter_and_holds_up_nothing(bus: SeenBus) -> None:
    nobodys = record("INSERT", 1, NewImage={"id": {"S": "1"}})
    broken = record("INSERT", 2, NewImage={"id": {"X": "1"}})
    unknown = record("TRUNCATE", 3)
    assert capture(bus, nobodys, broken, unknown, record("INSERT", 4, NewImage=OLD)) == {
        "batchItemFailures": []
    }
    assert [detail["id"] for detail in bus.details()] == ["event-4"]
    dead_letters = bus.dead_letters()
    assert [(dead_letter["code"], dead_letter["id"]) for dead_letter in dead_letters] == [
        ("organization_missing", "event-1"),
        ("invalid_record", "event-2"),
        ("invalid_record", "event-3"),
    ]
    assert dead_letters[0]["sequenceNumber"] == f"{1:021d}"
    assert dead_letters[0]["stream"] == ARN


def test_everything_waits_for_a_table_whose_owner_is_not_configured(bus: SeenBus) -> None:
    with pytest.raises(Unavailable, match="orders="):
        capture(bus, record("INSERT", NewImage=OLD), owners="others=acme")
    assert bus.events() == bus.dead_letters() == []


def test_templates_parameters_map_a_stream_and_poll_an_outbox(
    ministack: MiniStack, template: Template
) -> None:
    arguments = ministack.client_arguments("000000000092")
    table = boto3.client("dynamodb", **arguments).create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    secret = "arn:aws:secretsmanager:us-east-1:000000000092:secret:outbox"
    given = {"ChangeOrganizations": "orders=acme", "OutboxSecretArn": secret}
    deployed = deploy(template, arguments, parameters=given | {"ChangeStreamArn": table["LatestStreamArn"]})
    function = deployed.functions["ChangeCaptureFunction"]
    assert function.environment["CHANGE_ORGANIZATIONS"] == "orders=acme"
    assert function.environment["OUTBOX_SECRET"] == secret
    (mapping,) = boto3.client("lambda", **arguments).list_event_source_mappings(FunctionName=function.name)[
        "EventSourceMappings"
    ]
    assert mapping["EventSourceArn"] == table["LatestStreamArn"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    rule = deployed.resources["ChangeCaptureFunctionMinute"]
    assert boto3.client("events", **arguments).describe_rule(Name=rule)["State"] == "ENABLED"


def test_source_without_parameters_maps_and_polls_nothing(aws: Aws) -> None:
    function = aws.deployment.functions["ChangeCaptureFunction"]
    found = aws.client("lambda").list_event_source_mappings(FunctionName=function.name)
    assert found["EventSourceMappings"] == []
    rule = aws.deployment.resources["ChangeCaptureFunctionMinute"]
    assert aws.client("events").describe_rule(Name=rule)["State"] == "DISABLED"


class FailingBus(EventBus):
    """Takes the first two calls."""

    calls = 0

    async def put(self, events: list[BusEvent]) -> None:
        self.calls += 1
        if self.calls > 2:
            raise Unavailable("The bus is down.")
        await super().put(events)


def test_first_record_that_the_bus_did_not_take_is_reported(bus: SeenBus) -> None:
    changes = bus.changes("orders=@tenant", FailingBus(bus.clients, bus.name))
    records = [record("INSERT", number, NewImage=OLD) for number in range(1, 36)]
    answer = asyncio.run(changes.capture_stream({"Records": records}))
    assert answer == {"batchItemFailures": [{"itemIdentifier": f"{21:021d}"}]}
    assert len(bus.events()) == 20


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["event-1", "event-2", "event-3"]),
        ({"operations": ["insert", "delete"]}, ["event-1", "event-3"]),
        ({"operations": ["update"]}, ["event-2"]),
        ({"table": "others"}, []),
    ],
)
def test_pipeline_takes_the_changes_that_it_asks_for(
    streaming: httpx.Client,
    plant: Plant,
    bus: SeenBus,
    organization: str,
    chosen: dict[str, Any],
    expected: list[str],
) -> None:
    made(streaming, source={"type": "database_change", "table": "orders"} | chosen)
    records = [
        record("INSERT", 1, NewImage=OLD),
        record("MODIFY", 2, OldImage=OLD, NewImage=NEW),
        record("REMOVE", 3, OldImage=NEW),
    ]
    capture(bus, *records, owners=f"orders={organization}")
    capture(bus, *records, owners="orders=somebody-else")
    send(plant, *bus.events())
    assert plant.transform() == {"batchItemFailures": []}
    events = [event for job in plant.deliveries() for event in job["events"]]
    assert sorted(event["id"] for event in events) == expected
    assert {event["time"] for event in events} <= {1_800_000_000_000}


@pytest.mark.parametrize("steps", [[], [{"type": "batch", "config": {"size": 3, "timeout": 60_000}}]])
def test_changes_reach_a_database_with_their_order(
    streaming: httpx.Client, plant: Plant, bus: SeenBus, organization: str, steps: list[Any]
) -> None:
    """The stream's times are whole seconds: only its sequence tells which of two is newer."""
    table = {
        "type": "database",
        "config": {
            "table": "t",
            "connection": "postgresql://u:p@db.example/x",
            "operation": "{{$meta.type}}",
            "conflictFields": ["id"],
            "versionField": "version",
        },
    }
    fields = {"id": "keys.id", "order": "$meta.sequence"}
    source = {"type": "database_change", "table": "orders"}
    made(
        streaming, {"type": "map", "config": {"expression": fields}}, *steps, source=source, destination=table
    )
    numbers = [9_999_999_999_999_999_999_999, 10_000_000_000_000_000_000_000, 7]
    records = [record("MODIFY", number, OldImage=OLD, NewImage=NEW) for number in numbers]
    capture(bus, *records, owners=f"orders={organization}")
    send(plant, *bus.events(3))
    plant.transform()
    plant.close()
    events = [event for job in plant.deliveries() for event in job["events"]]
    assert [int(event["sequence"]) for event in sorted(events, key=lambda one: one["sequence"])] == sorted(
        numbers
    )
    assert all(event["payload"]["order"] == event["sequence"] for event in events)
    assert {event["type"] for event in events} == {"update"}


def test_change_that_nobody_foresaw_does_not_hold_up_those_behind_it(bus: SeenBus) -> None:
    odd = record("INSERT", 2, NewImage=OLD)
    odd["dynamodb"]["ApproximateCreationDateTime"] = 1e30
    answer = capture(bus, record("INSERT", 1, NewImage=OLD), odd, record("INSERT", 3, NewImage=OLD))
    assert answer == {"batchItemFailures": []}
    assert [event["detail"]["id"] for event in bus.events()] == ["event-1", "event-3"]
    (dead_letter,) = bus.dead_letters()
    assert (dead_letter["id"], dead_letter["code"]) == ("event-2", "unexpected_error")
