"""The event log: events of any size, read back exactly from any position."""

import asyncio
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from millrace.domain import events
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dynamo import Dynamo, Item
from millrace.stores.event_log import EVENT_BYTES, EventLog, encode, number
from millrace.stores.log_items import ITEM_BYTES
from tests.aws import Aws

SIZES = st.one_of(
    st.integers(1, 2_000), st.sampled_from([ITEM_BYTES - 40, ITEM_BYTES, 3 * ITEM_BYTES, 1_400_000])
)


class Partly(Dynamo):
    """DynamoDB whose next query misses the items from `hidden` on, as one may that meets a transaction."""

    hidden: set[int]

    async def query(self, table: str, condition: str, **more: Any) -> list[Item]:
        found = await super().query(table, condition, **more)
        hidden, self.hidden = self.hidden, set()
        return [item for position, item in enumerate(found) if position not in hidden]


@pytest.fixture
def dynamo(aws_environment: Aws) -> Partly:
    made = Partly(AwsClients(aws_environment.region))
    made.hidden = set()
    return made


@pytest.fixture
def log(dynamo: Partly, aws_environment: Aws) -> EventLog:
    environment = aws_environment.environment("ConversationFunction")
    return EventLog(dynamo, Settings.from_environment(environment).events_table)


@examples(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(sizes=st.lists(SIZES, min_size=1, max_size=8), data=st.data())
async def test_events_of_any_size_are_read_back_from_any_number(
    dynamo: Partly, log: EventLog, sizes: list[int], data: st.DataObject
) -> None:
    stream = f"s-{uuid.uuid4().hex}"
    logged = number(0, [events.token("x" * size) for size in sizes])
    for event in logged:
        await dynamo.transact(*log.puts(stream, [event]))
    assert await log.read(stream) == logged
    after = data.draw(st.integers(0, len(sizes)))
    limit = data.draw(st.integers(1, 10))
    part = await log.read(stream, after, limit)
    assert part == logged[after : after + len(part)]
    assert bool(part) == (after < len(sizes))


async def test_events_of_one_item_are_rewritten_side_by_side(log: EventLog, dynamo: Partly) -> None:
    stream = f"s-{uuid.uuid4().hex}"
    await dynamo.transact(*log.puts(stream, number(0, [events.token(f"secret {n}") for n in range(6)])))

    def forgotten(event: events.Event) -> events.Event:
        return event | {"token": ""}

    await asyncio.gather(*(log.rewrite(stream, seq, forgotten) for seq in range(1, 7)))
    assert [one.event["token"] for one in await log.read(stream)] == [""] * 6


@pytest.mark.parametrize("before", [10, ITEM_BYTES, 3 * ITEM_BYTES, 1_400_000])
@pytest.mark.parametrize("after", [0, 10, 2 * ITEM_BYTES])
async def test_event_of_any_size_is_rewritten(
    dynamo: Partly, log: EventLog, aws_environment: Aws, before: int, after: int
) -> None:
    stream = f"s-{uuid.uuid4().hex}"
    for event in number(0, [events.token("a"), events.token("s" * before), events.token("b")]):
        await dynamo.transact(*log.puts(stream, [event]))
    await log.rewrite(stream, 2, lambda event: event | {"token": "n" * after})
    assert [one.event["token"] for one in await log.read(stream)] == ["a", "n" * after, "b"]
    items = aws_environment.client("dynamodb").query(
        TableName=log._table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": stream}},
    )["Items"]
    assert not any(b"ss" in item["data"]["B"] for item in items)


async def test_large_event_is_rewritten_once_by_each_of_many(log: EventLog, dynamo: Partly) -> None:
    stream = f"s-{uuid.uuid4().hex}"
    await dynamo.transact(*log.puts(stream, number(0, [events.token("s" * 2 * ITEM_BYTES)])))
    names = [f"n{number}" for number in range(4)]
    changes = (lambda event, name=name: event | {"token": "", name: 1} for name in names)
    await asyncio.gather(*(log.rewrite(stream, 1, change) for change in changes))
    [found] = await log.read(stream)
    assert {name for name in names if name in found.event} == set(names)


@pytest.mark.parametrize("missed", [{1}, {1, 2}, {0}, {2}])
async def test_events_of_a_transaction_that_is_seen_in_part_are_not_passed_over(
    dynamo: Partly, log: EventLog, missed: set[int]
) -> None:
    stream = f"s-{uuid.uuid4().hex}"
    logged = number(0, [events.token("x" * size) for size in (10, 2 * ITEM_BYTES, 10)])
    await dynamo.transact(*log.puts(stream, logged))
    dynamo.hidden = set(missed)
    first = await log.read(stream)
    assert first == logged[: len(first)]
    assert first + await log.read(stream, len(first)) == logged


@pytest.mark.parametrize("character", ["x", "中", "\x01"])
def test_result_of_a_tool_beyond_the_limit_is_shortened_and_says_so(character: str) -> None:
    event = events.tool_result("c1", "fetch", True, "big", character * 2_000_000, 5)
    logged = encode(1, event)
    assert len(logged.data) <= EVENT_BYTES
    assert logged.event["truncated"]
    assert len(orjson.dumps(logged.event["result"])) > EVENT_BYTES // 20
    assert {name: logged.event[name] for name in ("id", "name", "bytes")} == {
        name: event[name] for name in ("id", "name", "bytes")
    }


def test_arguments_beyond_the_limit_become_an_empty_object() -> None:
    logged = encode(1, events.tool_call("c1", "write", {"text": "x" * 2_000_000}))
    assert len(logged.data) <= EVENT_BYTES
    assert logged.event == events.tool_call("c1", "write", {}) | {"truncated": True}
