"""Each pipeline has its share of a batch's time; redelivered messages are processed alone."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from millrace.services.pipelines.processing import batch, engine, taking
from millrace.services.pipelines.processing.sorting import Message
from millrace.services.pipelines.queue_messages import Events
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, counted, made, pipeline, step
from tests.tokens import Issuer

MINUTE = 60_000
MAPPED = step("map", {"expression": {"n": "n + 0"}})


def push(streaming: httpx.Client, id: str, count: int) -> None:
    items = [{"id": f"e{n}", "payload": {"n": n}} for n in range(count)]
    assert streaming.post(f"/pipelines/{id}/batch", json=items).status_code == 202


def of_neighbor(streaming: httpx.Client, issuer: Issuer) -> tuple[httpx.Client, str]:
    """A client of another organization, and its pipeline."""
    client = httpx.Client(base_url=streaming.base_url, headers=issuer.headers("neighbor"), timeout=30)
    id: str = client.post("/pipelines", json=pipeline(MAPPED)).json()["id"]
    act(client, id, "start")
    return client, id


def test_events_without_time_come_again_and_are_all_processed_once(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time at all: each pass must finish one event at least, and none may be lost or come twice."""
    monkeypatch.setattr(batch, "SHARE_SECONDS", -1.0)
    id = made(streaming, MAPPED)
    push(streaming, id, 30)
    assert plant.transform() == {"batchItemFailures": []}
    ids = [event["id"] for job in plant.deliveries() for event in job["events"]]
    assert sorted(ids) == sorted(f"e{n}" for n in range(30))


def test_pipeline_without_time_holds_up_nothing_of_its_neighbor(
    streaming: httpx.Client, plant: Plant, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in one batch; the first pass delivers the neighbor's event, and the rest of ours waits."""
    id = made(streaming, MAPPED)
    neighbor, theirs = of_neighbor(streaming, issuer)
    push(streaming, id, 30)
    assert neighbor.post(f"/pipelines/{theirs}/process", json={"n": 1}).status_code == 202
    records = received(plant)
    monkeypatch.setattr(batch, "SHARE_SECONDS", -1.0)
    asyncio.run(batch.transform_batch(plant.context, {"Records": records}))
    by_pipeline = Counter(job["pipelineId"] for job in plant.deliveries())
    assert by_pipeline == {theirs: 1}
    (again,) = plant.waiting()
    assert (again["pipelineId"], again["again"], len(again["events"])) == (id, 1, 30)
    neighbor.close()


def test_events_of_a_pipeline_that_was_paused_meanwhile_wait_for_it(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = made(streaming, MAPPED)
    push(streaming, id, 5)
    with monkeypatch.context() as patched:
        patched.setattr(batch, "SHARE_SECONDS", -1.0)
        asyncio.run(batch.transform_batch(plant.context, {"Records": received(plant)}))
    act(streaming, id, "pause")
    plant.transform()
    assert plant.payloads() == []
    act(streaming, id, "resume")
    plant.transform()
    assert sorted(payload["n"] for payload in plant.payloads()) == list(range(5))


def test_replayed_entry_goes_on_where_its_time_was_over(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = made(streaming, MAPPED)
    push(streaming, id, 12)
    plant.transform()
    plant.payloads()
    plant.clock.pass_time(MINUTE)
    monkeypatch.setattr(batch, "SHARE_SECONDS", -1.0)
    streaming.post(f"/pipelines/{id}/replay", json={"from": "2020-01-01T00:00:00Z"})
    plant.transform()
    assert sorted(payload["n"] for payload in plant.payloads()) == list(range(12))


def received(plant: Plant, receives: int = 1) -> list[dict[str, Any]]:
    """Return the messages of the ingest queue, as Lambda hands it over; it stays there until it is
    acknowledged."""
    url, records = plant.context.settings.ingest_queue_url, []
    while found := plant.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for one in found:
            attributes = {"SentTimestamp": str(plant.clock.now), "ApproximateReceiveCount": str(receives)}
            records.append(
                {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": attributes,
                }
            )
    for one in records:
        plant.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=one["receiptHandle"], VisibilityTimeout=600
        )
    return records


class Died(BaseException):
    """The process, over a message."""


def test_message_that_kills_the_function_again_takes_no_neighbor_along(
    streaming: httpx.Client, plant: Plant, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New messages are done and acknowledged before it, also where it stands behind."""
    id = made(streaming, MAPPED)
    neighbor, theirs = of_neighbor(streaming, issuer)
    push(streaming, id, 1)
    (deadly,) = received(plant, receives=3)
    neighbor.post(f"/pipelines/{theirs}/process", json={"n": 7})
    (harmless,) = received(plant)
    process = engine.process

    async def dies(context: Any, made: Any, *given: Any, **more: Any) -> None:
        if made.pipeline_id == id:
            raise Died
        await process(context, made, *given, **more)

    monkeypatch.setattr(taking, "process", dies)
    with pytest.raises(Died):
        asyncio.run(batch.transform_batch(plant.context, {"Records": [deadly, harmless]}))
    assert plant.payloads() == [{"n": 7}]
    url = plant.context.settings.ingest_queue_url
    names = ["ApproximateNumberOfMessagesNotVisible"]
    left = plant.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert left[names[0]] == "1", "only the deadly one is still on the queue"
    neighbor.close()


def test_timers_of_one_batch_fire_side_by_side(streaming: httpx.Client, plant: Plant) -> None:
    """And one that fails fails alone."""
    ids = [made(streaming, counted()) for _ in range(3)]
    for id in ids:
        streaming.post(f"/pipelines/{id}/process", json={"g": "a"})
    plant.transform()
    plant.clock.pass_time(10 * MINUTE)
    plant.sqs.send_message(QueueUrl=plant.context.settings.timer_queue_url, MessageBody='{"key": 5, "at": 0}')
    assert len(plant.close()["batchItemFailures"]) == 1
    assert {job["pipelineId"] for job in plant.deliveries()} == set(ids)


def test_messages_that_come_again_tell_no_lag() -> None:
    assert not Message("m", Events("acme", "p", again=1), 0).is_new
    assert not Message("m", Events("acme", "p", start=2), 0).is_new
    assert Message("m", Events("acme", "p"), 0).is_new
