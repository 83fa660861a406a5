"""Pausing, resuming, stopping, restoring, dead letters, secrets, metrics."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from millrace.domain.clock import iso
from millrace.services.delivery.counting import Counting
from millrace.services.delivery.deliver import Report
from millrace.services.delivery.job import read_job
from millrace.services.pipelines.meter import new_counts
from millrace.services.pipelines.processing import replay as pipelines_replay
from millrace.services.pipelines.processing import timers as pipelines_windows
from millrace.services.pipelines.processing.sweep import sweep_all
from millrace.services.pipelines.queue_messages import Drain, Replay, ingest_message
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, counted, made, pipeline, step
from tests.tokens import Issuer

MINUTE = 60_000
HOUR = 60 * MINUTE


def push(streaming: httpx.Client, id: str, *numbers: int, **more: Any) -> None:
    items = [{"id": f"e{n}", "payload": {"n": n, "g": "a"}, **more} for n in numbers]
    answer = streaming.post(f"/pipelines/{id}/batch", json=items)
    assert answer.status_code == 202, answer.text


def forget_states(plant: Plant) -> None:
    """As after the three seconds that a function may work with an old state."""
    plant.context.plans._known.clear()


def numbers(plant: Plant) -> list[int]:
    return sorted(payload["n"] for payload in plant.payloads())


def test_events_that_come_while_paused_are_processed_on_resume(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    push(streaming, id, 1)
    plant.transform()
    act(streaming, id, "pause")
    push(streaming, id, 2, 3)
    plant.transform()
    push(streaming, id, 4)
    plant.transform()
    assert numbers(plant) == [1]
    act(streaming, id, "resume")
    plant.transform()
    assert numbers(plant) == [2, 3, 4]
    act(streaming, id, "pause")
    act(streaming, id, "resume")
    plant.transform()
    assert numbers(plant) == []


def test_event_journaled_by_a_function_that_still_saw_the_pause_is_not_left(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads "paused"; then the pipeline is resumed and drained; then it writes what it took."""
    id = made(streaming)
    act(streaming, id, "pause")
    push(streaming, id, 1)
    write = plant.context.journal.write

    async def late(*arguments: Any, **options: Any) -> Any:
        await asyncio.to_thread(act, streaming, id, "resume")
        plant.waiting()  # the order to drain has run, and found nothing
        return await write(*arguments, **options)

    monkeypatch.setattr(plant.context.journal, "write", late)
    plant.transform()
    assert numbers(plant) == [1]


def test_windows_wait_while_paused_and_take_what_came_meanwhile(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming, counted(), step("map", {"expression": {"n": "values.n"}}))
    start = plant.clock.now
    push(streaming, id, 1, time=start)
    plant.transform()
    act(streaming, id, "pause")
    push(streaming, id, 2, 3, time=start)
    plant.transform()
    plant.clock.pass_time(HOUR)
    plant.close()
    asyncio.run(sweep_all(plant.context))
    plant.close()
    assert numbers(plant) == []
    act(streaming, id, "resume")
    plant.transform()
    forget_states(plant)
    plant.clock.pass_time(2 * MINUTE)
    assert asyncio.run(sweep_all(plant.context)) >= 1
    plant.close()
    assert numbers(plant) == [3]


def test_entry_of_a_pipeline_that_is_paused_again_waits_for_the_next_resume(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    act(streaming, id, "pause")
    push(streaming, id, 1)
    plant.transform()
    act(streaming, id, "resume")
    plant.waiting()
    asyncio.run(pipelines_replay.drain(plant.context, Drain(organization, id)))
    act(streaming, id, "pause")
    forget_states(plant)
    plant.transform()
    assert numbers(plant) == []
    act(streaming, id, "resume")
    forget_states(plant)
    plant.transform()
    assert numbers(plant) == [1]


def test_windows_are_held_until_the_entries_of_all_pages_are_processed(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines_replay, "PAGE", 1)
    id = made(streaming, counted())
    act(streaming, id, "pause")
    for number in (1, 2):
        push(streaming, id, number)
        plant.transform()
    act(streaming, id, "resume")

    def held() -> bool:
        return bool(asyncio.run(plant.context.pipelines.get(organization, id)).hold_until)

    plant.waiting()
    after = ""
    for _ in range(2):
        asyncio.run(pipelines_replay.drain(plant.context, Drain(organization, id, after=after)))
        _, next_page = plant.waiting()
        after = next_page["after"]
    # Nothing is behind the last page, but its entry and the one before it have yet to be processed.
    asyncio.run(pipelines_replay.drain(plant.context, Drain(organization, id, after=after)))
    assert held()
    plant.waiting()
    asyncio.run(pipelines_replay.drain(plant.context, Drain(organization, id)))
    plant.transform()
    assert not held()
    # Nothing is left behind: a sweep of another test would find the window.
    act(streaming, id, "stop")
    plant.close()
    assert [payload["values"] for payload in plant.payloads()] == [{"n": 2}]


def test_stop_fires_what_windows_hold(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming, counted(HOUR), step("map", {"expression": {"n": "values.n"}}))
    push(streaming, id, 1, 2)
    plant.transform()
    act(streaming, id, "stop")
    plant.close()
    assert numbers(plant) == [2]
    assert error_of(streaming.post(f"/pipelines/{id}/process", json={})) == (409, "pipeline_not_running")


def test_stop_fires_many_windows_in_rounds(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines_windows, "STOPPED_AT_ONCE", 7)
    id = made(streaming, counted(), step("map", {"expression": {"n": "values.n"}}))
    items = [{"payload": {"g": "a"}, "time": plant.clock.now + n * MINUTE} for n in range(30)]
    streaming.post(f"/pipelines/{id}/batch", json=items)
    plant.transform()
    act(streaming, id, "stop")
    plant.close()
    assert numbers(plant) == [1] * 30


def test_stop_gives_out_what_batches_hold(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming, step("batch", {"size": 100, "timeout": 10 * MINUTE}))
    push(streaming, id, 1, 2, 3)
    plant.transform()
    act(streaming, id, "stop")
    plant.close()
    (payload,) = plant.payloads()
    assert payload["count"] == 3


def test_window_whose_timer_was_lost_is_found_by_the_sweep(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming, counted(), step("map", {"expression": {"n": "values.n"}}))
    push(streaming, id, 1)
    plant.transform()
    plant._receive(plant.context.settings.timer_queue_url)
    plant.clock.pass_time(10 * MINUTE)
    asyncio.run(sweep_all(plant.context))
    plant.close()
    assert numbers(plant) == [1]


def test_window_of_an_old_version_fires_with_the_steps_of_that_version(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming, counted(), step("map", {"expression": {"n": "values.n"}}))
    push(streaming, id, 1, 2)
    plant.transform()
    answer = streaming.put(f"/pipelines/{id}", json=pipeline(step("map", {"expression": {"n": "-1"}})))
    assert answer.json()["version"] == 2
    plant.clock.pass_time(3 * MINUTE)
    plant.close()
    (job,) = plant.deliveries()
    assert job["definitionVersion"] == 1
    assert job["events"][0]["payload"] == {"n": 2}


def test_replay_takes_the_past_through_the_pipeline_again(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    push(streaming, id, 1)
    plant.transform()
    plant.clock.pass_time(HOUR)
    middle = iso(plant.clock.now)
    push(streaming, id, 2, 3)
    plant.transform()
    assert numbers(plant) == [1, 2, 3]
    plant.clock.pass_time(1_000)
    answer = streaming.post(f"/pipelines/{id}/replay", json={"from": middle})
    assert answer.status_code == 202
    plant.transform()
    jobs = plant.deliveries()
    assert sorted(event["id"] for job in jobs for event in job["events"]) == ["e2", "e3"]
    streaming.post(f"/pipelines/{id}/replay", json={"from": iso(0), "to": middle})
    plant.transform()
    assert numbers(plant) == [1]


def test_replay_pages_through_the_journal_once_and_ends(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines_replay, "PAGE", 2)
    id = made(streaming, step("map", {"expression": {"n": "n"}}))
    for number in range(4):  # two full pages: the order for a third finds nothing
        push(streaming, id, number)
        plant.transform()
        plant.clock.pass_time(1_000)
    assert len(plant.payloads()) == 4
    streaming.post(f"/pipelines/{id}/replay", json={"from": iso(0)}).raise_for_status()
    cursors = []
    while orders := plant.waiting():
        for order in orders:
            if order["type"] == "replay":
                cursors.append(order.get("after", ""))
                command = ingest_message(json.dumps(order))
                assert isinstance(command, Replay)
                asyncio.run(pipelines_replay.replay(plant.context, command))
        assert len(cursors) <= 3, "it must not go round"
    assert len(cursors) == 3
    assert sorted(set(cursors)) == cursors


def test_replay_of_a_window_counts_nothing_twice(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming, counted(), step("map", {"expression": {"n": "values.n"}}))
    push(streaming, id, 1, 2)
    plant.transform()
    plant.clock.pass_time(90_000)
    plant.close()
    assert numbers(plant) == [2]
    streaming.post(f"/pipelines/{id}/replay", json={"from": iso(0)})
    plant.transform()
    plant.clock.pass_time(90_000)
    plant.close()
    assert numbers(plant) == []


@pytest.mark.parametrize(
    "asked",
    [{}, {"from": 7}, {"from": "soon"}, {"from": iso(5), "to": iso(4)}, {"from": iso(0), "all": True}],
)
def test_replay_of_nonsense_is_refused(streaming: httpx.Client, asked: dict[str, Any]) -> None:
    id = made(streaming)
    assert streaming.post(f"/pipelines/{id}/replay", json=asked).status_code == 422
    unknown = streaming.post(f"/pipelines/{id}/replay", json={"from": iso(0), "version": 9})
    assert error_of(unknown) == (404, "version_not_found")


def test_checkpoint_restores_what_came_since_with_the_version_of_then(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming, step("map", {"expression": {"n": "n"}}))
    push(streaming, id, 1)
    plant.transform()
    plant.clock.pass_time(HOUR)
    created = streaming.post(f"/pipelines/{id}/checkpoints")
    assert created.status_code == 201
    checkpoint = created.json()
    assert streaming.get(f"/pipelines/{id}/checkpoints").json() == {"items": [checkpoint]}
    streaming.put(f"/pipelines/{id}", json=pipeline(step("map", {"expression": {"n": "-n"}})))
    push(streaming, id, 2)
    plant.transform()
    assert numbers(plant) == [-2, 1]
    plant.clock.pass_time(1_000)
    answer = streaming.post(f"/pipelines/{id}/checkpoints/{checkpoint['id']}/restore")
    assert answer.status_code == 202
    plant.transform()
    assert numbers(plant) == [2]
    unknown = streaming.post(f"/pipelines/{id}/checkpoints/nothing/restore")
    assert error_of(unknown) == (404, "checkpoint_not_found")


def test_dry_run_tells_what_each_step_does_and_sends_nothing(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    push(streaming, id, 1, 2)
    plant.transform()
    plant.payloads()
    keep = step("filter", {"field": "n", "operator": "gt", "value": 1})
    reported = streaming.post(
        f"/pipelines/{id}/dry-run", json={"definition": pipeline(keep, counted())}
    ).json()
    by_id = {event["id"]: [one["did"] for one in event["steps"]] for event in reported["events"]}
    assert by_id == {"e1": ["dropped"], "e2": ["passed", "held"]}
    assert [output["values"] for output in reported["outputs"]] == [{"n": 1}]
    given = streaming.post(f"/pipelines/{id}/dry-run", json={"events": [{"n": 7}]}).json()
    assert given["outputs"] == [{"n": 7}]
    assert plant.payloads() == []


def test_secrets_are_written_and_listed_but_never_shown(
    streaming: httpx.Client, issuer: Issuer, plant: Plant
) -> None:
    value = "a-very-secret-value"
    stored = streaming.put("/secrets/MIXPANEL_TOKEN", json={"value": value, "hosts": ["api.mixpanel.com"]})
    assert stored.status_code == 200
    listed = streaming.get("/secrets")
    assert [one["name"] for one in listed.json()["items"]] == ["MIXPANEL_TOKEN"]
    destination = {
        "type": "analytics",
        "config": {"provider": "mixpanel", "projectToken": "${secrets.MIXPANEL_TOKEN}"},
    }
    created = streaming.post("/pipelines", json=pipeline(destination=destination))
    assert created.status_code == 201
    wrong = streaming.put("/secrets/MIXPANEL_TOKEN", json={"value": value, "hosts": "all"})
    assert error_of(wrong) == (422, "invalid_secret")
    stranger = streaming.get("/secrets", headers=issuer.headers("stranger"))
    assert stranger.json()["items"] == []
    for answer in (stored, listed, created, wrong, stranger):
        assert value not in answer.text
    assert streaming.delete("/secrets/MIXPANEL_TOKEN").status_code == 204
    assert error_of(streaming.delete("/secrets/MIXPANEL_TOKEN")) == (404, "secret_not_found")


def test_metrics_health_and_stats_tell_what_happened(streaming: httpx.Client, plant: Plant) -> None:
    id = made(
        streaming,
        step("filter", {"field": "n", "operator": "neq", "value": 3}),
        step("map", {"expression": {"n": "-n"}}),
    )
    assert streaming.get(f"/pipelines/{id}/health").json()["status"] == "healthy"
    items: list[dict[str, Any]] = [{"n": n} for n in range(10)]
    streaming.post(f"/pipelines/{id}/batch", json=[*items, {"n": "x"}])
    plant.transform()
    metrics = streaming.get(f"/pipelines/{id}/metrics").json()
    assert (metrics["itemsProcessed"], metrics["itemsFailed"], metrics["itemsFiltered"]) == (10, 1, 1)
    assert metrics["throughput"] > 0
    assert metrics["steps"][1] | {"received": 10, "passed": 9, "failed": 1} == metrics["steps"][1]
    health = streaming.get(f"/pipelines/{id}/health").json()
    assert health["status"] == "degraded"
    assert "1 of 11 items failed" in health["reasons"][0]
    stats = streaming.get("/stats").json()
    assert stats["pipelines"] == {"total": 1, "running": 1}
    assert stats["itemsProcessed"] == 10


def count_deliveries(plant: Plant, counting: Counting) -> None:
    """Add what was counted to the metrics of its pipelines."""
    counts = new_counts()
    for address, count in counting.counts.items():
        plant.context.meter.count(address, count.counters, counts, count.latencies)
    asyncio.run(plant.context.meter.add(counts))


def test_deliveries_are_part_of_metrics_stats_and_health(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    push(streaming, id, 1, 2, 3, 4)
    plant.transform()
    (job,) = map(read_job, (json.dumps(one) for one in plant.deliveries()))
    arrived = plant.clock.now + 1_500
    counting = Counting()
    events = job.pipeline_events()
    counting.done(job, Report(delivered=events[:3], retried=1, attempts=4, throttled=1), arrived)
    counting.done(job, Report(dead=1, attempts=1), arrived)
    count_deliveries(plant, counting)
    for reported in (streaming.get(f"/pipelines/{id}/metrics").json(), streaming.get("/stats").json()):
        assert (reported["itemsProcessed"], reported["itemsDelivered"], reported["itemsFailed"]) == (4, 3, 1)
        delivered = {"attempts": 5, "delivered": 3, "failed": 1, "retried": 1, "throttled": 1}
        assert reported["deliveries"] == delivered
        assert reported["latency"] == {"avg": 1500, "p50": 2000, "p95": 2000, "p99": 2000}
    health = streaming.get(f"/pipelines/{id}/health").json()
    assert (health["status"], health["since"]) == ("degraded", iso(plant.clock.now))
    assert health["reasons"] == [
        "1 of 4 deliveries became dead letters in the last five minutes.",
        "1 of 5 attempts to deliver failed and are repeated.",
    ]


def test_events_that_wait_at_a_rate_limit_are_lag(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    push(streaming, id, 1)
    plant.transform()
    (job,) = map(read_job, (json.dumps(one) for one in plant.deliveries()))
    counting = Counting()
    counting.done(job, Report(waiting=1, behind_ms=24_000), plant.clock.now)
    count_deliveries(plant, counting)
    plant.clock.pass_time(5_000)  # backpressure may be as old as that
    metrics = streaming.get(f"/pipelines/{id}/metrics").json()
    assert (metrics["lag"], metrics["backpressure"]) == (24_000, 0.8)
