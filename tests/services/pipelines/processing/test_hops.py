"""Pipelines that feed themselves stop after a number of rounds, and report it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from millrace.api.webhooks_app import create_app
from millrace.destinations.results import Dead, Delivered, DeliveryResult
from millrace.destinations.sending import HttpSender
from millrace.destinations.webhook import Webhook
from millrace.destinations.wire import Answer, Request
from millrace.domain.hops import HEADER
from millrace.pipelines.definitions.destinations import WebhookConfig
from millrace.services.delivery.job import Job
from millrace.services.pipelines.event_records import event_from_record, event_record
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import WEBHOOK, counted, made, step
from tests.serving import served

LIMIT = 4
MINUTE = 60_000


@pytest.fixture
def webhooks(plant: Plant) -> Iterator[str]:
    """The webhooks function with a small limit; its address."""
    with served(create_app(replace(plant.context.settings, max_hops=str(LIMIT)), plant.context)) as url:
        yield f"{url}/hooks/"


async def delivered(job: dict[str, Any], url: str) -> list[DeliveryResult]:
    """Sends a job as the deliver function does, to the address where the test's function is."""

    async def never_waits(behind: int = 0) -> int:
        return 0

    async with httpx.AsyncClient() as client:

        async def post(request: Request) -> Answer:
            headers = dict(request.headers)
            found = await client.request(request.method, url, headers=headers, content=request.content)
            return Answer(found.status_code, found.headers, found.content)

        webhook = Webhook(WebhookConfig.model_validate({"url": "https://hooks.example.com/"}))
        sender = HttpSender(webhook, post, lambda: 0)
        return (await sender.send(msgspec.convert(job, Job).pipeline_events(), never_waits)).results


def circle(plant: Plant, url: str, windows: bool = False, most: int = 200) -> list[DeliveryResult]:
    """Delivers to `url` what leaves, again and again until nothing does."""
    results: list[DeliveryResult] = []
    while len(results) < most:
        plant.transform()
        if windows:
            plant.clock.pass_time(10 * MINUTE)
            plant.close()
        jobs = plant.deliveries()
        if not jobs:
            return results
        for job in jobs:
            results += asyncio.run(delivered(job, url))
    raise AssertionError("it goes round for ever")


def codes(results: list[DeliveryResult]) -> list[str]:
    return [result.failure.code for result in results if isinstance(result, Dead)]


def test_pipeline_that_feeds_its_own_hook_stops_with_a_dead_letter_that_says_so(
    streaming: httpx.Client, plant: Plant, webhooks: str
) -> None:
    id = made(streaming, source={"type": "webhook"})
    assert httpx.post(webhooks + id, json={"n": 1}).status_code == 202
    results = circle(plant, webhooks + id)
    assert sum(isinstance(result, Delivered) for result in results) == LIMIT
    assert codes(results) == ["loop"]
    (dead,) = [result for result in results if isinstance(result, Dead)]
    assert "is in a loop" in dead.failure.message


def test_loop_that_doubles_ends_as_well(streaming: httpx.Client, plant: Plant, webhooks: str) -> None:
    id = made(streaming, source={"type": "webhook"}, destination=None, destinations=[WEBHOOK, WEBHOOK])
    httpx.post(webhooks + id, json={"n": 1})
    results = circle(plant, webhooks + id)
    assert sum(isinstance(result, Delivered) for result in results) == 2 + 4 + 8 + 16
    assert codes(results) == ["loop"] * 32


@pytest.mark.parametrize(
    "held",
    [
        counted(),
        step("batch", {"size": 10, "timeout": 1_000}),
        step("aggregate", {"groupBy": ["g"], "aggregations": [{"function": "count"}]}),
        step("split", {"field": "parts"}),
    ],
    ids=lambda held: held["type"],
)
def test_hops_pass_through_every_step_that_makes_new_events(
    streaming: httpx.Client, plant: Plant, webhooks: str, held: dict[str, Any]
) -> None:
    again = step("map", {"expression": {"g": "'a'", "parts": [1]}})
    id = made(streaming, held, again, source={"type": "webhook"})
    httpx.post(webhooks + id, json={"g": "a", "parts": [1]})
    results = circle(plant, webhooks + id, windows=True)
    assert sum(isinstance(result, Delivered) for result in results) == LIMIT
    assert codes(results) == ["loop"]


@pytest.mark.parametrize("path", ["process", "batch"])
def test_pushes_carry_hops_on_and_beyond_the_limit_cause_nothing(
    streaming: httpx.Client, plant: Plant, path: str
) -> None:
    id = made(streaming)
    item: Any = {"n": 1} if path == "process" else [{"n": 1}]
    for hops in ("3", "+3", "three", "", "9" * 40):
        answer = streaming.post(f"/pipelines/{id}/{path}", json=item, headers={HEADER: hops})
        assert answer.status_code == 202, hops
    reported = [event.get("hops") for message in plant.waiting() for event in message["events"]]
    assert sorted(reported, key=str) == [3, None, None, None, None]
    refused = streaming.post(f"/pipelines/{id}/{path}", json=item, headers={HEADER: "9"})
    assert error_of(refused) == (409, "loop")
    assert plant.waiting() == []


def test_hooks_refuse_what_has_gone_round_too_often(
    streaming: httpx.Client, plant: Plant, webhooks: str
) -> None:
    id = made(streaming, source={"type": "webhook"})
    refused = httpx.post(webhooks + id, json={"n": 1}, headers={HEADER: str(LIMIT + 1)})
    assert error_of(refused) == (409, "loop")
    assert refused.json()["error"]["limit"] == LIMIT
    assert plant.waiting() == []


def test_recorded_event_keeps_its_hops() -> None:
    event = event_from_record(
        {"payload": {}, "id": "e", "source": "s", "type": "t", "time": 0, "ingested": 0}, "p"
    )
    assert "hops" not in event_record(event)
    event.hops = 5
    assert event_from_record(event_record(event), "p").hops == 5
    assert event.with_payload({}).hops == 5
