"""Pipelines of a batch write their entries together, and fail one by one."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from millrace.errors import Unavailable
from millrace.services.pipelines import plans
from millrace.services.pipelines.processing.batch import transform_batch
from millrace.stores.journal import Accepted
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, step
from tests.services.pipelines.processing.test_bus_sources import CALLS, called
from tests.services.pipelines.processing.test_flow import send
from tests.services.pipelines.processing.test_shares import push, received

OF_CALLS = {"type": "api_event"}


def counted_calls(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    calls: Counter[str] = Counter()
    call, call_each = plant.context.aws.call, plant.context.aws.call_each

    async def counting(service: str, operation: str, **parameters: Any) -> Any:
        calls[operation] += 1
        return await call(service, operation, **parameters)

    async def counting_each(service: str, operation: str, requests: list[Any]) -> Any:
        calls[operation] += len(requests)
        return await call_each(service, operation, requests)

    monkeypatch.setattr(plant.context.aws, "call", counting)
    monkeypatch.setattr(plant.context.aws, "call_each", counting_each)
    return calls


def journaled(plant: Plant, organization: str, id: str) -> list[str]:
    """The ids of the events in a pipeline's journal."""

    async def read() -> list[str]:
        journal = plant.context.journal
        entries = await journal.newest(organization, id, 20)
        return [
            record["id"]
            for entry in entries
            for record in await journal.read(organization, id, entry.position, entry.key)
        ]

    return asyncio.run(read())


def test_calls_of_a_batch_grow_with_its_pipelines_by_their_counts_alone(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping = step("filter", {"field": "method", "operator": "eq", "value": "none"})
    ids = [made(streaming, dropping, source=OF_CALLS) for _ in range(4)]

    plant.age = 1
    for seconds in ("CACHE_SECONDS", "REREAD_SECONDS"):  # however busy the machine is
        monkeypatch.setattr(plans, seconds, 3600.0)

    def calls_of(*names: str) -> Counter[str]:
        plant.clock.pass_time(1_000)
        send(plant, *(called(organization, name, *CALLS["list"]) for name in names))
        with monkeypatch.context() as patched:
            calls = counted_calls(plant, patched)
            assert plant.transform() == {"batchItemFailures": []}
        return calls

    calls_of("first")  # after which the process knows the pipelines, and has noted that they are active
    counts = len(ids) + 2  # and those of the organization and the queue
    assert calls_of("one", "two") == {"batch_get_item": 1, "batch_write_item": 1, "update_item": counts}
    assert [journaled(plant, organization, id) for id in ids] == [["one", "two", "first"]] * len(ids)
    totals = asyncio.run(plant.context.metrics.minutes(organization, "~", 0))
    assert sum(counters["itemsFiltered"] for _, counters in totals) == 3 * len(ids)


def test_pipelines_that_take_the_same_event_each_see_their_own_id(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    own = step("map", {"expression": {"pipeline": "$meta.pipelineId"}})
    ids = [made(streaming, own, source=OF_CALLS) for _ in range(2)]
    send(plant, called(organization, "call", *CALLS["list"]))
    assert plant.transform() == {"batchItemFailures": []}
    jobs = plant.deliveries()
    assert {job["pipelineId"]: job["events"][0]["payload"]["pipeline"] for job in jobs} == {
        id: id for id in ids
    }


def test_pipeline_that_cannot_journal_fails_alone_and_sends_nothing(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The common write fails half-way; then each writes by itself, which one of them cannot."""
    failing, other = made(streaming), made(streaming)
    for id in (failing, other):
        push(streaming, id, 3)
    put_all, write = plant.context.dynamo.put_all, plant.context.journal.write

    async def cut_off(table: str, items: list[Any]) -> None:
        await put_all(table, items[:1])
        raise Unavailable("The store is busy; try again.")

    async def refused(accepted: Accepted, *given: Any, **more: Any) -> Any:
        if accepted.pipeline_id == failing:
            raise Unavailable("The store is busy; try again.")
        return await write(accepted, *given, **more)

    records = received(plant)
    with monkeypatch.context() as patched:
        patched.setattr(plant.context.dynamo, "put_all", cut_off)
        patched.setattr(plant.context.journal, "write", refused)
        assert len(failures_of(plant, records)) == 1
    assert {job["pipelineId"] for job in plant.deliveries()} == {other}
    assert set(journaled(plant, organization, other)) == {"e0", "e1", "e2"}
    again = [record for record in records if f'"{failing}"' in record["body"]]
    assert failures_of(plant, again) == []
    assert {job["pipelineId"] for job in plant.deliveries()} == {failing}


def failures_of(plant: Plant, records: list[dict[str, Any]]) -> list[Any]:
    """The failures of a batch."""
    answer = asyncio.run(transform_batch(plant.context, {"Records": records}))
    failures: list[Any] = answer["batchItemFailures"]
    return failures


def test_counts_that_one_pipeline_cannot_write_cost_its_neighbors_none(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, other = made(streaming), made(streaming)
    for id in (failing, other):
        push(streaming, id, 3)
    client = plant.context.aws.client("dynamodb")
    update = client.update_item

    def refused(**parameters: Any) -> Any:
        if parameters["Key"]["pk"]["S"] == f"{organization}#{failing}":
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "no"}}, "UpdateItem")
        return update(**parameters)

    with monkeypatch.context() as patched:
        patched.setattr(client, "update_item", refused)
        assert plant.transform() == {"batchItemFailures": []}
    assert {id: processed(plant, organization, id) for id in (failing, other, "~")} == {
        failing: 0,
        other: 3,
        "~": 6,
    }


def processed(plant: Plant, organization: str, id: str) -> int:
    """The events that were counted as processed."""
    minutes = asyncio.run(plant.context.metrics.minutes(organization, id, 0))
    return sum(counters.get("itemsProcessed", 0) for _, counters in minutes)


def test_pipelines_with_equal_sources_share_a_look_and_others_choose_for_themselves(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    reads = OF_CALLS | {"methods": ["GET"]}
    sources = [OF_CALLS, reads, reads, OF_CALLS, OF_CALLS | {"methods": ["POST"]}]
    ids = [made(streaming, source=source) for source in sources]
    send(plant, called(organization, "call", *CALLS["list"]))
    plant.transform()
    assert {job["pipelineId"] for job in plant.deliveries()} == set(ids[:4])
    takers = asyncio.run(plant.context.plans.takers(organization, "api_event"))
    assert {frozenset(one.id for one in each.pipelines) for each in takers} == {
        frozenset((ids[0], ids[3])),
        frozenset((ids[1], ids[2])),
        frozenset((ids[4],)),
    }
