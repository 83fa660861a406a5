"""Events from acceptance through transforms and windows to the delivery queue."""

import json
from typing import Any

import httpx
import pytest

from millrace.services.delivery.job import read_job
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import REFERENCE, WEBHOOK, act, counted, made, step

MINUTE = 60_000


def keep_even() -> dict[str, Any]:
    return step("filter", {"field": "even", "operator": "eq", "value": True})


def run_ended(organization: str, run: str, **detail: Any) -> dict[str, Any]:
    """An EventBridge event as a rule puts it on the queue."""
    reported = {"id": f"{run}:9", "type": "run:completed", "time": "2027-01-15T08:00:00.000Z"}
    return {
        "version": "0",
        "id": f"bus-{run}",
        "detail-type": reported["type"],
        "source": "millrace.agent_execution",
        "time": "2027-01-15T08:00:01Z",
        "detail": reported | {"organization": organization, "runId": run, "status": "completed"} | detail,
    }


def test_runs_end_is_one_event_whoever_told_of_it(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    """Its own process may have put its end before it died; whoever finds it dead puts it again."""
    made(streaming)
    again = run_ended(organization, "r1", id="r1:999999999999999") | {"id": "another"}
    send(plant, run_ended(organization, "r1"), again, run_ended(organization, "r2"))
    plant.transform()
    ids = [event["id"] for job in plant.deliveries() for event in job["events"]]
    assert set(ids) == {"r1:end", "r2:end"}


def send(plant: Plant, *bodies: dict[str, Any]) -> None:
    plant.context.ingest.send([json.dumps(body) for body in bodies])


def test_pushed_items_go_through_the_steps_to_the_delivery_queue(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming, keep_even(), step("map", {"expression": {"double": "n * 2"}}))
    answer = streaming.post(f"/pipelines/{id}/process", json={"n": 4, "even": True})
    assert answer.status_code == 202
    items = [{"n": n, "even": n % 2 == 0} for n in range(10)]
    batch = streaming.post(f"/pipelines/{id}/batch", json={"items": items})
    assert batch.json()["accepted"] == len(set(batch.json()["ids"])) == 10
    assert plant.transform() == {"batchItemFailures": []}
    jobs = plant.deliveries()
    for job in jobs:
        read = read_job(json.dumps(job))
        assert (read.pipeline_id, read.definition_version, read.destination) == (id, 1, 0)
    doubles = [event["payload"]["double"] for job in jobs for event in job["events"]]
    assert sorted(doubles) == [0, 4, 8, 8, 12, 16]


def test_redelivered_message_leaves_again_with_the_same_ids(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/process", json={"id": "e1", "payload": {"n": 1}})
    (message,) = plant.waiting()
    for _ in range(2):
        send(plant, message)
        plant.transform()
    assert [event["id"] for job in plant.deliveries() for event in job["events"]] == ["e1", "e1"]


def test_repeated_push_under_a_key_is_the_same_events(streaming: httpx.Client, plant: Plant) -> None:
    """Also to a window: a repetition does not fall into a later one."""
    id = made(streaming, counted())
    key, items = {"idempotency-key": "k1"}, [{"g": "a"}, {"g": "a"}]
    first = streaming.post(f"/pipelines/{id}/batch", json=items, headers=key)
    plant.clock.pass_time(2 * MINUTE)
    again = streaming.post(f"/pipelines/{id}/batch", json=items, headers=key)
    assert first.json() == again.json()
    assert len(set(first.json()["ids"])) == 2
    plant.transform()
    plant.clock.pass_time(10 * MINUTE)
    plant.close()
    results = [event["payload"]["values"]["n"] for job in plant.deliveries() for event in job["events"]]
    assert results == [2]


def test_key_with_other_items_is_refused(streaming: httpx.Client, plant: Plant) -> None:
    id, key = made(streaming), {"idempotency-key": "k1"}
    assert streaming.post(f"/pipelines/{id}/process", json={"n": 1}, headers=key).status_code == 202
    refused = streaming.post(f"/pipelines/{id}/process", json={"n": 2}, headers=key)
    assert error_of(refused) == (422, "idempotency_key_reused")
    plant.clock.pass_time(25 * 60 * MINUTE)
    assert streaming.post(f"/pipelines/{id}/process", json={"n": 2}, headers=key).status_code == 202


def test_batch_is_packed_into_few_messages(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    answer = streaming.post(f"/pipelines/{id}/batch", json=[{"n": n} for n in range(1_000)])
    assert answer.status_code == 202
    assert [len(message["events"]) for message in plant.waiting()] == [200] * 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", "invalid_items"),
        ("[1]", "invalid_items"),
        ('{"items": "many"}', "invalid_items"),
        ('[{"payload": {}, "id": 7}]', "invalid_items"),
        ('[{"payload": {}, "time": "yesterday"}]', "invalid_time"),
        ('[{"n": 1}, {"n": 99999999999999999999999}]', "invalid_json"),
        ('[{"text": "\\ud800"}]', "invalid_json"),
        ('[{"payload": {}, "id": "\\ud800"}]', "invalid_json"),
        ("[" + '{"a":' * 200 + "1" + "}" * 200 + "]", "invalid_json"),
    ],
)
def test_wrong_items_are_refused_and_none_is_accepted(
    streaming: httpx.Client, plant: Plant, body: str, code: str
) -> None:
    id = made(streaming)
    headers = {"content-type": "application/json"}
    answer = streaming.post(f"/pipelines/{id}/batch", content=body, headers=headers)
    assert error_of(answer) == (422, code)
    assert plant.waiting() == []


def test_item_beyond_its_limit_is_refused(streaming: httpx.Client) -> None:
    id = made(streaming)
    answer = streaming.post(f"/pipelines/{id}/process", json={"filler": "x" * 250_000})
    assert error_of(answer) == (413, "too_large")


def test_pipeline_that_was_not_started_takes_nothing(streaming: httpx.Client) -> None:
    id = made(streaming, start=False)
    answer = streaming.post(f"/pipelines/{id}/process", json={})
    assert error_of(answer) == (409, "pipeline_not_running")
    assert answer.json()["error"]["allowed"] == ["start"]


def test_references_pipeline_gets_the_ends_of_its_agents_runs(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = streaming.post("/pipelines", json=REFERENCE).json()["id"]
    act(streaming, id, "start")
    facts: dict[str, Any] = {
        "agentId": "agent-123",
        "tokenUsage": {"total": 42},
        "cost": 0.5,
        "completedAt": "2027-01-15T08:00:00.000Z",
    }
    send(
        plant,
        run_ended(organization, "r1", **facts),
        run_ended(organization, "r2", **facts | {"agentId": "agent-999"}),
        run_ended(organization, "r3", **facts, status="failed") | {"detail-type": "run:error"},
        run_ended(organization, "r4", **facts) | {"detail-type": "run:started"},
        run_ended("somebody-else", "r5", **facts),
    )
    assert plant.transform() == {"batchItemFailures": []}
    (job,) = plant.deliveries()
    (event,) = job["events"]
    assert event["id"] == "r1:end"
    assert event["payload"] == {
        "event_type": "agent_completion",
        "agent_id": "agent-123",
        "tokens": 42,
        "cost": 0.5,
        "timestamp": "2027-01-15T08:00:00.000Z",
    }


def test_events_fan_out_to_all_pipelines_and_destinations_that_want_them(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    cheap = {**WEBHOOK, "when": "cost < 1"}
    dear = {**WEBHOOK, "when": "cost >= 1"}
    first = made(streaming, destination=None, destinations=[cheap, dear])
    second = made(streaming)
    made(streaming, start=False)
    send(plant, run_ended(organization, "r1", cost=0.5), run_ended(organization, "r2", cost=2))
    plant.transform()
    seen = {
        (job["pipelineId"], job["destination"], event["id"])
        for job in plant.deliveries()
        for event in job["events"]
    }
    assert seen == {(first, 0, "r1:end"), (first, 1, "r2:end"), (second, 0, "r1:end"), (second, 0, "r2:end")}


def test_event_that_a_step_cannot_process_becomes_a_dead_letter(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming, step("map", {"expression": {"x": "n * 2"}}))
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": 1}, {"n": "one"}, {"n": 3}])
    assert plant.transform() == {"batchItemFailures": []}
    assert [payload["x"] for payload in plant.payloads()] == [2, 6]
    (dead_letter,) = plant.dead_letters(organization, id)
    assert (dead_letter.place, dead_letter.definition_version) == ("step:0", 1)
    assert dead_letter.event["payload"] == {"n": "one"}
    assert "needs numbers" in dead_letter.message


def test_messages_that_are_no_events_fail_alone(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/process", json={"n": 1})
    plant.sqs.send_message(QueueUrl=plant.context.settings.ingest_queue_url, MessageBody="not json")
    plant.sqs.send_message(QueueUrl=plant.context.settings.ingest_queue_url, MessageBody="[]")
    assert len(plant.transform()["batchItemFailures"]) == 2
    assert plant.payloads() == [{"n": 1}]


def test_window_fires_once_with_all_of_its_events(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming, counted(), step("map", {"expression": {"g": "group.g", "n": "values.n"}}))
    items = [{"id": f"e{n}", "payload": {"g": "ab"[n % 2]}, "time": plant.clock.now + n} for n in range(30)]
    for _ in range(2):  # pushed twice: the same ids
        streaming.post(f"/pipelines/{id}/batch", json=items)
    plant.transform()
    plant.close()
    assert plant.payloads() == []
    plant.clock.pass_time(2 * MINUTE)
    assert plant.close() == {"batchItemFailures": []}
    assert sorted(plant.payloads(), key=str) == [{"g": "a", "n": 15}, {"g": "b", "n": 15}]
    plant.clock.pass_time(MINUTE)
    plant.close()
    assert plant.payloads() == []
