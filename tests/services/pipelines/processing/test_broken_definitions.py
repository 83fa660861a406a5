"""Pipelines that an earlier release accepted and this one cannot compile: all their events become dead
letters with the reason, and no message is retried for nothing."""

import asyncio
from typing import Any

import httpx

from millrace.pipelines.state.store import Key
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.queue_messages import FireTimer, ProcessEntry, Tick, encode
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, counted, made, step

MINUTE = 60_000
DUE = "2027-01-15T08:00:00Z"
NEGATED = step("map", {"expression": {"n": "-n"}})
NO_FAILURE: dict[str, Any] = {"batchItemFailures": []}


async def break_definition(context: PipelineContext, organization: str, pipeline_id: str) -> dict[str, Any]:
    """Store what an earlier release might have accepted, and return the definition that it was before."""
    old = await context.pipelines.get(organization, pipeline_id)
    broken = old.definition | {"transforms": [{"type": "of an earlier release", "config": {}}]}
    await store(context, organization, pipeline_id, broken)
    return old.definition


async def store(
    context: PipelineContext, organization: str, pipeline_id: str, definition: dict[str, Any]
) -> None:
    """Write a definition as the current version, past all checks, as another release would."""
    old = await context.pipelines.get(organization, pipeline_id)
    new = old.model_copy(update={"definition": definition, "revision": old.revision + 1})
    await context.pipelines.add_version(organization, old, new, [])
    context.plans.forget(organization)
    context.plans._compiled.clear()


def broken_events(plant: Plant, organization: str, pipeline_id: str) -> list[dict[str, Any]]:
    """The events of a pipeline's dead letters, all of which name the definition as the reason."""
    found = plant.dead_letters(organization, pipeline_id)
    assert {(one.code, one.place) for one in found} <= {("definition_broken", "step:0")}
    assert all("transforms.0" in one.message for one in found)
    return [one.event for one in found]


def test_tick_becomes_a_dead_letter(streaming: httpx.Client, plant: Plant, organization: str) -> None:
    source = {"type": "schedule", "expression": "rate(5 minutes)", "payload": {"report": "daily"}}
    id = made(streaming, source=source)
    asyncio.run(break_definition(plant.context, organization, id))
    for _ in range(2):  # Scheduler may send a tick twice
        plant.context.ingest.send([encode(Tick(organization, id, DUE))])
    assert plant.transform() == NO_FAILURE
    (event,) = broken_events(plant, organization, id)
    assert event["id"] == f"{id}@2027-01-15T08:00:00.000Z"
    assert event["payload"] == {"scheduledTime": DUE}
    assert plant.deliveries() == []


def test_entry_of_the_journal_becomes_dead_letters(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    act(streaming, id, "pause")
    streaming.post(f"/pipelines/{id}/batch", json=[{"id": n, "payload": {"n": n}} for n in "ab"])
    plant.transform()
    (entry,) = asyncio.run(plant.context.journal.waiting(organization, id, "", 10))
    definition = asyncio.run(break_definition(plant.context, organization, id))
    act(streaming, id, "resume")
    plant.context.ingest.send(
        [encode(ProcessEntry(organization, id, entry.position, entry.key, waiting=True))]
    )
    assert plant.transform() == NO_FAILURE
    assert {one["payload"]["n"] for one in broken_events(plant, organization, id)} == {"a", "b"}
    assert asyncio.run(plant.context.journal.waiting(organization, id, "", 10)) == []
    asyncio.run(store(plant.context, organization, id, definition))
    assert streaming.post(f"/pipelines/{id}/dead-letters/redrive", json={}).status_code == 202
    plant.transform()
    assert {payload["n"] for payload in plant.payloads()} == {"a", "b"}


def test_redrive_leaves_its_dead_letters_and_ends(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming, NEGATED)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": "x"}, {"n": "y"}])
    plant.transform()
    before = plant.dead_letters(organization, id)
    asyncio.run(break_definition(plant.context, organization, id))
    begun = streaming.post(f"/pipelines/{id}/dead-letters/redrive", json={}).json()
    assert plant.transform() == NO_FAILURE
    reported = streaming.get(f"/pipelines/{id}/dead-letters/redrives/{begun['id']}").json()
    assert (reported["state"], reported["redriven"], reported["skipped"]) == ("done", 0, 2)
    assert plant.dead_letters(organization, id) == before


def test_window_waits_for_a_definition_that_can_be_compiled(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming, counted())
    streaming.post(f"/pipelines/{id}/process", json={"payload": {"g": "a"}, "time": plant.clock.now})
    plant.transform()
    definition = asyncio.run(break_definition(plant.context, organization, id))
    plant.clock.pass_time(2 * MINUTE)
    assert plant.close() == NO_FAILURE
    assert plant.payloads() == []
    asyncio.run(store(plant.context, organization, id, definition))
    ((_, key),) = plant.context.windows.due_of(organization, id, 10)
    assert isinstance(key, Key)
    plant.context.timers.send([encode(FireTimer(str(key), plant.clock.now))])
    assert plant.close() == NO_FAILURE
    assert [payload["values"] for payload in plant.payloads()] == [{"n": 1}]
