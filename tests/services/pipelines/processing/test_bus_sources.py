"""Events of the bus: API calls, and events that an operator's own rule sends to a pipeline."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millrace.pipelines.definitions.sources import AgentExecutionSource
from millrace.pipelines.event import Event
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.batch import transform_batch
from millrace.services.pipelines.processing.bus_events import feeds
from millrace.telemetry.metrics import PipelineLines
from tests.services.pipelines.conftest import Plant, UndelayedAws
from tests.services.pipelines.definitions import act, made
from tests.services.pipelines.processing.test_flow import send

TIME = "2027-01-15T08:00:00Z"


def called(organization: str, id: str, method: str, path: str, status: int) -> dict[str, Any]:
    """A finished call of the API, as the bus tells of it."""
    detail = {"id": id, "time": TIME, "organization": organization, "userId": "u1", "durationMs": 5}
    detail |= {"method": method, "path": path, "route": path, "status": status, "requestId": id}
    return {
        "version": "0",
        "id": f"bus-{id}",
        "detail-type": "call",
        "source": "millrace.api_event",
        "time": TIME,
        "detail": detail,
    }


CALLS = {
    "list": ("GET", "/api/agents", 200),
    "create": ("POST", "/api/agents", 201),
    "refused": ("POST", "/api/agents", 422),
    "change": ("PUT", "/api/agents/a", 200),
    "other": ("DELETE", "/api/agentsmith", 404),
    "chat": ("POST", "/api/conversations/c1/messages", 200),
}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, set(CALLS)),
        ({"methods": ["post", "PUT"]}, {"create", "refused", "change", "chat"}),
        ({"statuses": [422, 404]}, {"refused", "other"}),
        ({"paths": ["/api/agents"]}, {"list", "create", "refused"}),
        ({"paths": ["/api/agents/*", "/api/conversations*"]}, {"change", "chat"}),
        ({"paths": ["/api/agents*"], "methods": ["POST"], "statuses": [201]}, {"create"}),
        ({"paths": ["/API/agents"]}, set()),
    ],
)
def test_pipeline_takes_the_calls_that_it_asks_for(
    streaming: httpx.Client, plant: Plant, organization: str, chosen: dict[str, Any], expected: set[str]
) -> None:
    made(streaming, source={"type": "api_event"} | chosen)
    send(plant, *(called(organization, id, *call) for id, call in CALLS.items()))
    send(plant, called("somebody-else", "strangers", "POST", "/api/agents", 201))
    assert plant.transform() == {"batchItemFailures": []}
    assert {event["id"] for job in plant.deliveries() for event in job["events"]} == expected


def own(organization: str, pipeline_id: str, **event: Any) -> dict[str, Any]:
    """A message as the input transformer of a rule makes it."""
    base = {"version": "0", "id": "e1", "source": "my.shop", "detail-type": "sold", "time": TIME}
    return {
        "organization": organization,
        "pipelineId": pipeline_id,
        "event": base | {"detail": {"n": 1}} | event,
    }


def test_rule_of_ones_own_sends_any_event_to_one_pipeline(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    send(plant, own(organization, id), own(organization, id))
    assert plant.transform() == {"batchItemFailures": []}
    events = [event for job in plant.deliveries() for event in job["events"]]
    assert {(event["id"], event["source"], event["type"]) for event in events} == {("e1", "my.shop", "sold")}
    assert events[0]["time"] == 1_800_000_000_000
    assert events[0]["payload"] == {"n": 1}


def test_event_without_a_receiving_pipeline_is_dropped(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    created, stopped = made(streaming, start=False), made(streaming)
    act(streaming, stopped, "stop")
    plant.transform()
    send(plant, *(own(organization, id) for id in (created, stopped, "pipeline_unknown")))
    send(plant, own("somebody-else", made(streaming)))
    assert plant.transform() == {"batchItemFailures": []}
    assert plant.deliveries() == []


@pytest.mark.parametrize("event", [None, "text", {}, {"detail": "text"}, {"detail": {}, "id": "e1"}])
def test_message_that_is_not_an_eventbridge_event_is_reported(
    streaming: httpx.Client, plant: Plant, organization: str, event: object
) -> None:
    id = made(streaming)
    send(plant, {"organization": organization, "pipelineId": id, "event": event}, own(organization, id))
    assert len(plant.transform()["batchItemFailures"]) == 1
    assert plant.payloads() == [{"n": 1}]


def test_event_after_a_start_meets_the_pipeline_in_every_process(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    """One that looked just before the start remembers what there was then."""
    clients = UndelayedAws(plant.context.settings.region)
    other = PipelineContext.connect(plant.context.settings, clients, plant.clock)
    id = made(streaming, source={"type": "api_event"}, start=False)

    def receive(event_id: str) -> None:
        body = json.dumps(called(organization, event_id, "GET", "/x", 200))
        attributes = {"SentTimestamp": str(plant.clock.now)}
        record = {"messageId": event_id, "body": body, "attributes": attributes}
        assert asyncio.run(transform_batch(other, {"Records": [record]})) == {"batchItemFailures": []}

    receive("before")
    plant.clock.pass_time(1)
    act(streaming, id, "start")
    receive("after")
    clients.close()
    assert [event["id"] for job in plant.deliveries() for event in job["events"]] == ["after"]


def test_event_whose_json_would_lose_something_becomes_a_dead_letter(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    """An integer of 70 bits would become another number; its neighbour goes through."""
    pipeline = made(streaming, source={"type": "database_change", "table": "t"})
    good = own(organization, pipeline, id="good", detail={"n": 1})
    bad = own(organization, pipeline, id="bad", detail={"n": 2**70})
    for message in (good, bad):
        body = json.dumps(message)
        plant.sqs.send_message(QueueUrl=plant.context.settings.ingest_queue_url, MessageBody=body)
    assert plant.transform() == {"batchItemFailures": []}
    assert plant.payloads() == [{"n": 1}]
    (dead_letter,) = plant.dead_letters(organization, pipeline)
    assert (dead_letter.event_id, dead_letter.code) == ("bad", "invalid_json")
    assert "64 bits" in dead_letter.message


def foreign(organization: str, pipeline_id: str) -> dict[str, Any]:
    """An event of a rule that sends it as it is."""
    event: dict[str, Any] = own(organization, pipeline_id)["event"]
    return event


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (lambda organization, id: own(organization, "pipe_none"), "for a pipeline that does not exist"),
        (lambda organization, id: own("nobody", id), "for a pipeline that does not exist"),
        (own, "for a pipeline that is stopped"),
        (foreign, "names no pipeline"),
    ],
    ids=["pipeline", "organization", "stopped", "no transformer"],
)
def test_event_of_a_rule_that_reaches_no_pipeline_is_logged_and_counted(
    streaming: httpx.Client,
    plant: Plant,
    organization: str,
    message: Callable[[str, str], dict[str, Any]],
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id = made(streaming)
    act(streaming, id, "stop")
    monkeypatch.setattr(plant.context.meter, "_lines", PipelineLines("a-stack"))
    with contextlib.redirect_stdout(io.StringIO()) as written:
        send(plant, message(organization, id))
        assert plant.transform() == {"batchItemFailures": []}
    assert plant.deliveries() == []
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert said in record.getMessage()
    assert "'e1' of 'my.shop' ('sold')" in record.getMessage()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["EventsUnclaimed"] for line in lines if "EventsUnclaimed" in line] == [[1]]


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "wrong", [{"time": "soon"}, {"detail": {"n": nested(150)}}, {"detail": {"n": nested(400)}}]
)
def test_unreadable_event_of_a_rule_is_a_dead_letter(
    streaming: httpx.Client, plant: Plant, organization: str, wrong: dict[str, Any]
) -> None:
    id = made(streaming, source={"type": "webhook"})
    send(plant, own(organization, id, **wrong), own(organization, id, id="e2"))
    assert plant.transform() == {"batchItemFailures": []}
    assert [event["id"] for job in plant.deliveries() for event in job["events"]] == ["e2"]
    assert [dead_letter.event_id for dead_letter in plant.dead_letters(organization, id)] == ["e1"]
    assert streaming.get(f"/pipelines/{id}/metrics").json()["itemsFailed"] == 1


@pytest.mark.parametrize("wrong", [{"time": "soon"}, {"note": nested(150)}])
def test_unreadable_event_of_the_bus_is_a_dead_letter_of_the_pipelines_it_feeds(
    streaming: httpx.Client, plant: Plant, organization: str, wrong: dict[str, Any]
) -> None:
    id = made(streaming, source={"type": "api_event"})
    other = made(streaming, source={"type": "api_event", "methods": ["PUT"]})
    bad = called(organization, "bad", "POST", "/api/agents", 201)
    bad["detail"] |= wrong
    send(plant, bad, called(organization, "good", "POST", "/api/agents", 201))
    assert plant.transform() == {"batchItemFailures": []}
    assert [event["id"] for job in plant.deliveries() for event in job["events"]] == ["good"]
    assert len(plant.dead_letters(organization, id)) == 1
    assert plant.dead_letters(organization, other) == []


@pytest.mark.parametrize(
    ("statuses", "kinds"),
    [
        (None, {"run:completed", "run:error"}),
        (["completed"], {"run:completed"}),
        (["running", "failed"], {"run:started", "run:error"}),
        (["deleted"], {"run:deleted"}),
    ],
)
def test_statuses_choose_among_the_events_of_runs(statuses: list[str] | None, kinds: set[str]) -> None:
    reported = {"run:started": "running", "run:completed": "completed", "run:error": "failed"}
    reported |= {"run:deleted": "deleted", "run:status_changed": "completed"}
    source = AgentExecutionSource(type="agent_execution", statuses=statuses)
    events = [Event({"status": status}, "1", "s", kind, 0, 0) for kind, status in reported.items()]
    assert {event.type for event in events if feeds(event, source)} == kinds


async def break_definition(context: PipelineContext, organization: str, pipeline_id: str) -> None:
    """Stores what an earlier release might have accepted, and this one cannot compile."""
    old = await context.pipelines.get(organization, pipeline_id)
    broken = old.definition | {"transforms": [{"type": "of an earlier release", "config": {}}]}
    new = old.model_copy(update={"definition": broken, "revision": old.revision + 1})
    await context.pipelines.replace(organization, old, new)
    context.plans.forget(organization)
    context.plans._compiled.clear()


def test_pipeline_that_cannot_be_compiled_keeps_no_event_from_the_others(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    source = {"type": "api_event"}
    broken, good, pushed = made(streaming, source=source), made(streaming, source=source), made(streaming)
    for one in (broken, pushed):
        asyncio.run(break_definition(plant.context, organization, one))
    send(plant, called(organization, "call", *CALLS["list"]))
    head = {"organization": organization, "pipelineId": pushed}
    event = {"source": "api", "type": "item", "time": 1, "ingested": 1, "payload": {"n": 1}}
    send(plant, head | {"type": "events", "events": [event | {"id": name} for name in ("one", "two")]})
    assert plant.transform() == {"batchItemFailures": []}
    assert [job["pipelineId"] for job in plant.deliveries()] == [good]
    (dead_letter,) = plant.dead_letters(organization, broken)
    assert (dead_letter.code, dead_letter.event["id"], dead_letter.place) == (
        "definition_broken",
        "call",
        "step:0",
    )
    assert "transforms.0" in dead_letter.message
    found = plant.dead_letters(organization, pushed)
    assert {(one.event["id"], one.place) for one in found} == {("one", "step:0"), ("two", "step:0")}
    metrics = streaming.get(f"/pipelines/{pushed}/metrics").json()
    assert (metrics["itemsFailed"], metrics["deadLetters"]) == (2, 2)
