"""Runs that a delivery starts carry its hops, so that the loop run -> webhook -> run ends."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api import (
    a2a_app,
    command_center_app,
    conversation_app,
    flows_app,
    management_app,
    mcp_app,
    voice_app,
    webhooks_app,
)
from millrace.domain.hops import HEADER
from millrace.services.pipelines.processing.bus_events import bus_event
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_events import missed_end
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from tests.api.talk import error_of
from tests.serving import served
from tests.tokens import Issuer

PATH = "/api/conversations/c1/messages"
HELLO = {"agentId": "echo", "content": "hello"}


class Kept(EventBus):
    """A bus that keeps what is put on it."""

    name = "kept"

    def __init__(self) -> None:
        self.events: list[BusEvent] = []

    async def put(self, events: list[BusEvent]) -> None:
        self.events += events


@pytest.fixture
def bus() -> Kept:
    return Kept()


@pytest.fixture
def watched(settings: Settings, bus: Kept) -> Platform:
    platform = Platform.make(settings)
    return replace(platform, stores=replace(platform.stores, bus=bus))


def hops_on(bus: Kept) -> set[int]:
    return {json.loads(event.detail).get("hops", 0) for event in bus.events}


def test_run_that_a_delivery_started_tells_its_hops(
    watched: Platform, bus: Kept, issuer: Issuer, organization: str
) -> None:
    headers = issuer.headers(organization) | {HEADER: "3"}
    with served(conversation_app.create_app(watched.settings, watched)) as url:
        answer = httpx.post(url + PATH, json=HELLO, headers=headers)
        assert answer.status_code == 200
    kinds = {json.loads(event.detail)["type"] for event in bus.events if event.source.endswith("execution")}
    assert {"run:started", "run:completed"} <= kinds
    assert hops_on(bus) == {3}, "the call's own audit event as well"
    ended = next(event for event in bus.events if event.kind == "run:completed")
    detail = json.loads(ended.detail)
    envelope = {"source": ended.source, "detail-type": ended.kind, "time": detail["time"], "detail": detail}
    assert bus_event(envelope, 0)[1].hops == 3


def test_run_of_a_request_with_a_trace_tells_it_to_the_end(
    watched: Platform, bus: Kept, issuer: Issuer, organization: str
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = issuer.headers(organization)
    with served(conversation_app.create_app(watched.settings, watched)) as url:
        first = httpx.post(url + PATH, json=HELLO, headers=headers | {"traceparent": traceparent})
        second = httpx.post(url + PATH, json=HELLO, headers=headers | {"traceparent": "nonsense"})
    details = [json.loads(event.detail) for event in bus.events if event.source.endswith("execution")]
    by_run = {
        run: {one.get("traceparent") for one in details if one["runId"] == run} for run in ids(first, second)
    }
    assert by_run == {first.headers["x-run-id"]: {traceparent}, second.headers["x-run-id"]: {None}}
    run = asyncio.run(
        Platform.make(watched.settings).stores.runs.get(organization, first.headers["x-run-id"])
    )
    assert missed_end(run)["traceparent"] == traceparent


def ids(*answers: httpx.Response) -> list[str]:
    return [answer.headers["x-run-id"] for answer in answers]


def test_run_of_a_person_has_no_hops(watched: Platform, bus: Kept, issuer: Issuer, organization: str) -> None:
    with served(conversation_app.create_app(watched.settings, watched)) as url:
        assert httpx.post(url + PATH, json=HELLO, headers=issuer.headers(organization)).status_code == 200
    assert hops_on(bus) == {0}


def test_end_of_a_lost_run_tells_its_hops(watched: Platform, issuer: Issuer, organization: str) -> None:
    headers = issuer.headers(organization) | {HEADER: "2"}
    with served(conversation_app.create_app(watched.settings, watched)) as url:
        run_id = httpx.post(url + PATH, json=HELLO, headers=headers).headers["x-run-id"]
    run = asyncio.run(Platform.make(watched.settings).stores.runs.get(organization, run_id))
    assert missed_end(run)["hops"] == 2


def test_message_that_has_gone_round_too_often_starts_nothing(chat: httpx.Client, settings: Settings) -> None:
    refused = chat.post(PATH, json=HELLO, headers={HEADER: str(settings.hop_limit + 1)})
    assert error_of(refused) == (409, "loop")
    assert chat.get(PATH).status_code == 404
    assert chat.post(PATH, json=HELLO, headers={HEADER: str(settings.hop_limit)}).status_code == 200
    assert chat.get(PATH, headers={HEADER: "999"}).status_code == 200, "reading causes nothing"


APPS: dict[str, Callable[[Settings], Any]] = {
    "a2a": a2a_app.create_app,
    "conversation": conversation_app.create_app,
    "command_center": command_center_app.create_app,
    "flows": flows_app.create_app,
    "management": management_app.create_app,
    "mcp": mcp_app.create_app,
    "voice": voice_app.create_app,
    "webhooks": webhooks_app.create_app,
}


def test_every_app_is_known_here() -> None:
    found = {
        path.stem.removesuffix("_app") for path in Path(conversation_app.__file__).parent.glob("*_app.py")
    }
    assert found - {"streamed"} == APPS.keys()


@pytest.mark.parametrize("name", APPS)
async def test_every_app_refuses_what_has_gone_round_too_often(name: str, settings: Settings) -> None:
    transport = httpx.ASGITransport(APPS[name](settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        refused = await client.post("/anything", headers={HEADER: "9"})
        assert error_of(refused) == (409, "loop")
        assert (await client.post("/anything", headers={HEADER: "8"})).status_code != 409
