"""An invalid item in a sweep or a batch is reported, and all others beside it are processed."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.intake import changes
from millrace.services.pipelines.processing.minute import every_minute
from millrace.services.pipelines.processing.sweep import sweep_all
from millrace.stores.bus import EventBus
from millrace.stores.dynamo import put
from tests.aws import Aws
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import counted, made
from tests.services.pipelines.intake.capturing import SeenBus, seen_bus
from tests.services.pipelines.intake.test_change_source import NEW, capture, record
from tests.services.pipelines.operations.test_operate import HOUR, push


@pytest.fixture
def bus(aws_environment: Aws) -> Iterator[SeenBus]:
    with seen_bus(aws_environment) as made:
        yield made


def place(plant: Plant, name: str, due: int) -> None:
    """A register that is due, under any name."""
    item = {"pk": f"{name}#0", "sk": "META", "duePk": "DUE#0", "dueAt": due, "registerVersion": 1}
    table = plant.context.settings.windows_table
    asyncio.run(plant.context.dynamo.write(put(table, item | {"registerData": b"x"})))


def test_sweep_sends_the_timers_beside_bad_places_and_pipelines(
    streaming: httpx.Client, plant: Plant, organization: str, caplog: pytest.LogCaptureFixture
) -> None:
    id = made(streaming, counted(HOUR))
    push(streaming, id, 1)
    plant.transform()
    plant.clock.pass_time(3 * HOUR)
    place(plant, "no-key-at-all", 1)
    place(plant, f"{organization}-other#pipeline_1#step#1", 2)
    table = plant.context.settings.pipelines_table
    broken = {"pk": organization, "sk": "P#0", "body": "{broken", "pipelineId": "0", "revision": 1}
    asyncio.run(plant.context.dynamo.write(put(table, broken)))
    plant.context.plans.forget(organization)
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(sweep_all(plant.context)) >= 1
    plant.close()
    assert [payload["count"] for payload in plant.payloads()] == [1]
    assert "no-key-at-all" in caplog.text
    assert "P#0 cannot be read" in caplog.text


def test_failed_part_of_a_minute_is_reported_after_the_others_are_done(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch, bus: SeenBus
) -> None:
    id = made(streaming, counted(HOUR))
    push(streaming, id, 1)
    plant.transform()
    plant.clock.pass_time(3 * HOUR)
    plant.context.plans._known.clear()

    async def down(now: int) -> Any:
        raise ValueError("poisoned")

    monkeypatch.setattr(plant.context.metrics, "active", down)
    events = EventBus(plant.context.aws, bus.name)
    with pytest.raises(ExceptionGroup, match="in part"):
        asyncio.run(every_minute(plant.context, Backpressure(plant.context), events))
    plant.close()
    assert [payload["count"] for payload in plant.payloads()] == [1]


def test_record_that_nothing_can_read_is_rejected_and_those_around_it_are_put(
    bus: SeenBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_of = changes.change_event

    def failing(organization: str, change: Any) -> Any:
        if change.id == "event-2":
            raise RuntimeError("a secret value")
        return event_of(organization, change)

    monkeypatch.setattr(changes, "change_event", failing)
    records = [record("INSERT", number, NewImage=NEW) for number in (1, 2, 3)]
    assert capture(bus, *records) == {"batchItemFailures": []}
    assert {one["detail"]["id"] for one in bus.events(at_least=2)} == {"event-1", "event-3"}
    (dead_letter,) = bus.dead_letters()
    assert (dead_letter["code"], dead_letter["id"]) == ("unexpected_error", "event-2")
    assert "secret" not in json.dumps(dead_letter)
