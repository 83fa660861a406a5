"""A mirrored table equals its source, whatever the order, repetition and batches of its changes."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from millrace.destinations.dynamodb import MARKED_SECONDS, DynamoSender
from millrace.domain.changes import ordered
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws as AwsClients
from tests.aws import Aws
from tests.aws_calls import before_calls
from tests.destinations.sending import NOW, always, kinds
from tests.destinations.test_database import Database, database, row

__all__ = ["database"]

MIRROR: dict[str, Any] = {
    "operation": "{{$meta.type}}",
    "conflictFields": ["id"],
    "versionField": "version",
    "deletedField": "deleted",
}
VALUES = st.fixed_dictionaries({"name": st.sampled_from(["a", "b", None]), "amount": st.integers(-5, 5)})
STEPS = st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.none() | VALUES), min_size=1, max_size=14)
Source = dict[int, dict[str, Any]]
_names = (f"mirror_{n}" for n in itertools.count())


def change(number: int, kind: str, id: int, **values: Any) -> Event:
    payload = {"id": id, "name": None, "amount": None} | values
    event = Event(payload, f"e{number}", "millrace.database_change", kind, NOW + number % 1000, NOW)
    event.sequence = ordered(number) or ""
    return event


def history_of(steps: list[tuple[int, dict[str, Any] | None]]) -> tuple[list[Event], Source]:
    """The changes of a source's history, and what the source has in the end."""
    source: Source = {}
    events = []
    # Numbers whose text has different lengths, and which no double tells apart.
    for number, (id, values) in enumerate(steps, 99_999_999_999_999_998):
        if values is None and id not in source:
            continue
        kind = "delete" if values is None else "update" if id in source else "insert"
        events.append(change(number, kind, id, **(values or {})))
        source.pop(id, None)
        if values is not None:
            source[id] = values
    return events, source


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[list[Event]], Source]:
    """All changes at least once, shuffled, cut into batches."""
    events, source = history_of(draw(STEPS))
    if not events:
        return [], source
    again = draw(st.lists(st.sampled_from(events), max_size=6))
    shuffled = draw(st.permutations([*events, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=4)) | {0, len(shuffled)})
    return [shuffled[start:end] for start, end in itertools.pairwise(cuts)], source


@dataclass
class Mirror:
    """A table on one of the servers."""

    database: Database

    def clear(self) -> None:
        self.database.run(f"delete from {self.database.table}")

    def send(self, events: list[Event], **config: Any) -> list[str]:
        return kinds(asyncio.run(self.database.send(events, **MIRROR | config)))

    def rows(self) -> Source:
        shown = {
            "timestamp": "deleted is null",
            "boolean": "not deleted",
            "integer": "deleted = 0",
        }[self.mark]
        with self.database.engine.connect() as connection:
            found = connection.exec_driver_sql(
                f"select id, name, amount from {self.database.table} where {shown}"
            )
            return {id: {"name": name, "amount": amount} for id, name, amount in found}

    mark: str = "timestamp"


@pytest.fixture(params=[("varchar(40)", "timestamp"), ("numeric(40, 0)", "boolean"), ("bigint", "integer")])
def mirror(database: Database, request: pytest.FixtureRequest) -> Mirror:
    version, mark = request.param
    if database.engine.dialect.name == "sqlite" and "numeric" in version:
        version = "integer"  # its numeric is a float, and is refused
    database.table = next(_names)
    column = f"{mark} null" if mark == "timestamp" else f"{mark} not null"
    database.run(
        f"create table {database.table} (id integer primary key, name varchar(10), amount integer,"
        f" version {version}, deleted {column})"
    )
    return Mirror(database, mark)


BOUNDED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@BOUNDED
@given(arrival=arrivals())
def test_mirrored_table_equals_its_source(mirror: Mirror, arrival: tuple[list[list[Event]], Source]) -> None:
    batches, source = arrival
    mirror.clear()
    for batch in batches:
        assert mirror.send(batch) == ["delivered"] * len(batch)
    assert mirror.rows() == source


def test_rows_behind_another_unique_key_are_mirrored(database: Database) -> None:
    """On MySQL they take two statements each."""
    database.table = next(_names)
    database.run(
        f"create table {database.table} (id integer primary key, name varchar(10), amount integer unique,"
        " version varchar(40), deleted timestamp null)"
    )
    events = [change(n, kind, 1, amount=n) for n, kind in enumerate(["insert", "update", "delete", "insert"])]
    mirror = Mirror(database)
    for order in itertools.permutations(events):
        mirror.clear()
        assert mirror.send(list(order)) == ["delivered"] * 4
        assert mirror.rows() == {1: {"name": None, "amount": 3}}


def test_delete_without_marks_removes_rows_that_are_older(mirror: Mirror) -> None:
    mirror.send([change(1, "insert", 1), change(2, "insert", 2), change(6, "update", 3)])
    late = [change(4, "delete", 1), change(5, "delete", 3), change(6, "delete", 9)]
    assert mirror.send(late, deletedField=None) == ["delivered"] * 3
    assert sorted(mirror.rows()) == [2, 3]
    with mirror.database.engine.connect() as connection:
        found = connection.exec_driver_sql(f"select count(*) from {mirror.database.table}")
        assert found.scalar() == 2


def test_delete_by_any_columns_needs_no_version(database: Database) -> None:
    """As for what is erased with a conversation."""
    asyncio.run(database.send([row(id=n, note="a" if n < 3 else "b") for n in range(5)]))
    sent = asyncio.run(
        database.send([row(id=99, note="a", more="no column")], "delete", conflictFields=["note"])
    )
    assert kinds(sent) == ["delivered"]
    assert database.rows("id, note") == [(3, "b"), (4, "b")]


def test_event_without_an_order_or_with_an_unknown_operation_is_a_dead_letter(mirror: Mirror) -> None:
    unordered = Event({"id": 1, "name": "a", "amount": 1}, "e", "api", "insert", NOW, NOW)
    strange = change(1, "replace", 2)
    assert mirror.send([unordered, strange, change(2, "insert", 3)]) == [
        "dead:incomplete",
        "dead:unknown_operation",
        "delivered",
    ]


def test_field_that_names_the_operation_is_no_column(mirror: Mirror) -> None:
    event = change(1, "any", 1, op="Insert")
    assert mirror.send([event], operation="{{op}}") == ["delivered"]
    assert list(mirror.rows()) == [1]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"operation": "{{op}}", "versionField": None}, "versionField"),
        ({"operation": "insert"}, "deletedField"),
        ({"operation": "update"}, "deletedField"),
        ({"deletedField": "id"}, "deletedField"),
        ({"operation": "delete", "versionField": None}, "versionField"),
        ({"operation": "replace"}, "operation"),
        ({"operation": "{{op"}, "operation"),
        ({"conflictFields": []}, "conflictFields"),
    ],
)
def test_mirror_that_cannot_be_exact_is_refused(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as error:
        DatabaseConfig.model_validate({"table": "t"} | MIRROR | config)
    (problem,) = error.value.errors()
    said = [*problem["loc"], problem.get("ctx", {}).get("field"), problem["msg"]]
    assert any(field in str(one) for one in said), problem


@dataclass
class Items:
    """A mirror in DynamoDB."""

    table: Any
    organization: str
    clients: AwsClients

    def sender(self, **config: Any) -> DynamoSender:
        given = {"table": "mirror", "connection": "dynamodb:"} | MIRROR | config
        made = DatabaseConfig.model_validate(given)
        return DynamoSender(made, self.organization, "tests-", self.clients)

    def send(self, events: list[Event], **config: Any) -> list[str]:
        return kinds(asyncio.run(self.sender(**config).send(events, always)))

    def items(self) -> list[dict[str, Any]]:
        return list(self.table.scan(ConsistentRead=True)["Items"])

    def rows(self) -> Source:
        return {
            int(item["id"]): {"name": item["name"], "amount": item["amount"]}
            for item in self.items()
            if "deleted" not in item
        }

    def clear(self) -> None:
        for item in self.items():
            self.table.delete_item(Key={"id": item["id"]})


@pytest.fixture
def items(aws_environment: Aws) -> Iterator[Items]:
    organization = next(_names)
    table = aws_environment.resource("dynamodb").create_table(
        TableName=f"tests-{organization}.mirror",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    clients = AwsClients(aws_environment.region)
    yield Items(table, organization, clients)
    clients.close()
    table.delete()


@settings(BOUNDED, max_examples=15)
@given(arrival=arrivals())
def test_mirrored_items_equal_their_source(items: Items, arrival: tuple[list[list[Event]], Source]) -> None:
    batches, source = arrival
    items.clear()
    for batch in batches:
        assert items.send(batch) == ["delivered"] * len(batch)
    assert items.rows() == source


def test_mark_of_a_deleted_item_is_the_time_at_which_it_may_go(items: Items) -> None:
    items.send([change(1, "delete", 1)])
    (item,) = items.items()
    assert item["deleted"] == (NOW + 1) // 1000 + MARKED_SECONDS


def test_upsert_of_an_item_keeps_attributes_that_are_left_out(items: Items) -> None:
    plain: dict[str, Any] = {"operation": "upsert", "versionField": None, "deletedField": None}
    items.send([Event({"id": 1, "a": 1, "b": [1]}, "e")], **plain)
    items.send([Event({"id": 1, "a": 2}, "e")], **plain)
    items.send([Event({"id": 2}, "e")], **plain)
    found = sorted(items.items(), key=lambda item: item["id"])
    assert found == [{"id": 1, "a": 2, "b": [1]}, {"id": 2}]


def test_version_of_another_kind_than_the_items_is_a_dead_letter(items: Items) -> None:
    plain: dict[str, Any] = {"operation": "upsert", "deletedField": None}
    assert items.send([Event({"id": 1, "version": 3}, "e")], **plain) == ["delivered"]
    assert items.send([Event({"id": 1, "version": "4"}, "e")], **plain) == ["dead:invalid_version"]
    assert items.send([Event({"id": 1, "version": 2, "a": 1}, "e")], **plain) == ["delivered"]
    assert items.items() == [{"id": 1, "version": 3}]
    items.table.put_item(Item={"id": 1, "version": None})
    assert items.send([Event({"id": 1, "version": "4"}, "e")], **plain) == ["delivered"]
    assert items.items() == [{"id": 1, "version": "4"}]


def test_item_is_deleted_unless_it_is_newer(items: Items) -> None:
    plain: dict[str, Any] = {"deletedField": None}
    items.send([change(1, "insert", 1), change(5, "insert", 2)], **plain)
    assert items.send([change(3, "delete", 1), change(3, "delete", 2)], **plain) == ["delivered"] * 2
    assert list(items.rows()) == [2]


def test_item_of_too_many_attributes_is_a_dead_letter(items: Items) -> None:
    """DynamoDB refuses expressions of more than 300 operators or 4 KB, the emulator does not."""
    plain: dict[str, Any] = {"operation": "upsert", "versionField": None, "deletedField": None}
    calls: list[int] = []
    before_calls(
        items.clients.client("dynamodb"),
        lambda _, params: calls.append(len(params["UpdateExpression"])),
    )
    for count, expected in ((250, "delivered"), (251, "dead:too_large")):
        event = Event({"id": 1} | {f"attribute-{n}": n for n in range(count)}, "e")
        assert items.send([event], **plain) == [expected]
    assert len(calls) == 1
    assert calls[0] <= 4096
