"""Pipelines fed by a schedule."""

from typing import Any

import httpx

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


def test_expression_that_is_none_is_refused(streaming: httpx.Client) -> None:
    definition = {
        "name": "n",
        "source": {"type": "schedule", "expression": "now and then"},
        "destination": {"type": "webhook", "config": {"url": "https://example.com"}},
    }
    assert error_of(streaming.post("/pipelines", json=definition)) == (422, "invalid_definition")
