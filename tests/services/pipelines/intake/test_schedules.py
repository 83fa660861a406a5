"""Pipelines with a schedule as their source."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millrace.domain.pipelines import Pipeline
from millrace.services.pipelines.intake.schedules import Schedules
from millrace.services.pipelines.queue_messages import Tick, encode
from millrace.stores.pipelines import PipelineStore
from tests.api.talk import error_of
from tests.aws import Aws
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made


def schedules(aws: Aws, plant: Plant, id: str) -> list[dict[str, Any]]:
    """The schedules whose name ends in the pipeline's id, whole."""
    scheduler = aws.client("scheduler")
    group = plant.context.settings.schedule_group
    names = [one["Name"] for one in scheduler.list_schedules(GroupName=group)["Schedules"]]
    return [scheduler.get_schedule(Name=name, GroupName=group) for name in names if name.endswith(id)]


def test_start_makes_a_schedule_whose_ticks_become_events_and_stop_removes_it(
    streaming: httpx.Client, plant: Plant, aws_environment: Aws, organization: str
) -> None:
    source = {"type": "schedule", "expression": "rate(5 minutes)", "payload": {"report": "daily"}}
    id = made(streaming, source=source, start=False)
    assert schedules(aws_environment, plant, id) == []
    act(streaming, id, "start")
    (schedule,) = schedules(aws_environment, plant, id)
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    assert schedule["Target"]["Arn"] == plant.context.settings.ingest_queue_arn
    tick = schedule["Target"]["Input"]
    tick = tick.replace("<aws.scheduler.scheduled-time>", "2027-01-15T08:00:00Z")
    for _ in range(2):
        plant.context.ingest.send([tick])
    plant.transform()
    events = [event for job in plant.deliveries() for event in job["events"]]
    assert {event["id"] for event in events} == {f"{id}@2027-01-15T08:00:00.000Z"}
    assert {event["time"] for event in events} == {1_800_000_000_000}
    assert events[0]["payload"] == {"report": "daily", "scheduledTime": "2027-01-15T08:00:00Z"}
    act(streaming, id, "stop")
    assert schedules(aws_environment, plant, id) == []
    plant.context.plans.forget(organization)
    plant.context.ingest.send([tick.replace("T08:00", "T08:05")])
    plant.transform()
    assert plant.deliveries() == [], "a tick of a schedule that outlived its pipeline's stop"


FIVE: dict[str, Any] = {"type": "schedule", "expression": "rate(5 minutes)"}
SEVEN = FIVE | {"expression": "rate(7 minutes)"}


class Meddling:
    """Has somebody else change a pipeline just before a start is written."""

    def __init__(self, store: PipelineStore, meddle: Callable[[], object]) -> None:
        self._replace, self._meddle = store.replace, meddle

    async def replace(self, organization: str, old: Pipeline, new: Pipeline) -> None:
        await asyncio.to_thread(self._meddle)
        await self._replace(organization, old, new)


def start_meanwhile(
    streaming: httpx.Client,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
    id: str,
    meddle: Callable[[], object],
) -> None:
    """Start a pipeline while somebody else changes it: the start is a conflict."""
    store = plant.context.pipelines
    with monkeypatch.context() as patched:
        patched.setattr(store, "replace", Meddling(store, meddle).replace)
        assert streaming.post(f"/pipelines/{id}/start").status_code == 409


def test_start_that_fails_leaves_no_schedule_behind(
    streaming: httpx.Client, plant: Plant, aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = made(streaming, source=FIVE, start=False)

    def change() -> None:
        streaming.patch(f"/pipelines/{id}", json={"source": SEVEN}).raise_for_status()

    start_meanwhile(streaming, plant, monkeypatch, id, change)
    assert schedules(aws_environment, plant, id) == []
    act(streaming, id, "start")
    (schedule,) = schedules(aws_environment, plant, id)
    assert schedule["ScheduleExpression"] == "rate(7 minutes)"


def test_schedule_that_a_crashed_start_left_is_brought_up_to_date(
    streaming: httpx.Client, plant: Plant, aws_environment: Aws, organization: str
) -> None:
    id = made(streaming, source=FIVE, start=False)
    pipeline = asyncio.run(plant.context.pipelines.get(organization, id))
    asyncio.run(Schedules(plant.context).ensure(organization, pipeline))  # and the process dies
    streaming.patch(f"/pipelines/{id}", json={"source": SEVEN}).raise_for_status()
    act(streaming, id, "start")
    (schedule,) = schedules(aws_environment, plant, id)
    assert schedule["ScheduleExpression"] == "rate(7 minutes)"


def test_deleted_pipeline_has_no_schedule_and_its_last_ticks_come_once(
    streaming: httpx.Client, plant: Plant, aws_environment: Aws, organization: str
) -> None:
    id = made(streaming, source=FIVE, start=False)
    pipeline = asyncio.run(plant.context.pipelines.get(organization, id))
    asyncio.run(Schedules(plant.context).ensure(organization, pipeline))
    assert streaming.delete(f"/pipelines/{id}").status_code == 204
    assert schedules(aws_environment, plant, id) == []
    plant.context.ingest.send([encode(Tick(organization, id, "2027-01-15T08:00:00Z"))])
    assert plant.transform() == {"batchItemFailures": []}


def test_expression_that_is_none_is_refused(streaming: httpx.Client) -> None:
    definition = {
        "name": "n",
        "source": {"type": "schedule", "expression": "now and then"},
        "destination": {"type": "webhook", "config": {"url": "https://example.com"}},
    }
    assert error_of(streaming.post("/pipelines", json=definition)) == (422, "invalid_definition")
