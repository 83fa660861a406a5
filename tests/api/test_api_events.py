"""API activity: one event per finished call of an authenticated caller, and none of any other."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from millrace.api.api_events import LONGEST, ApiEvents, call_event
from millrace.api.conversation_app import create_app as conversation_app
from millrace.api.management_app import create_app as management_app
from millrace.api.voice_app import create_app as voice_app
from millrace.domain.access import Principal
from millrace.domain.clock import Clock, now_ms
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.connect import Stores
from tests.api.talk import say
from tests.aws import Aws
from tests.services.pipelines.intake.capturing import SeenBus, seen_bus
from tests.serving import served
from tests.tokens import Issuer


@pytest.fixture
def bus(aws_environment: Aws) -> Iterator[SeenBus]:
    with seen_bus(aws_environment) as made:
        yield made


@pytest.fixture
def stores(settings: Settings, bus: SeenBus) -> Stores:
    return replace(Stores.connect(settings), bus=EventBus(bus.clients, bus.name))


@pytest.fixture
def settings(settings: Settings, aws_environment: Aws) -> Settings:
    """With what the management API needs of pipelines."""
    issuer = {name: getattr(settings, name) for name in ("oidc_issuer", "oidc_audience", "oidc_jwks_url")}
    return replace(Settings.from_environment(aws_environment.environment("ApiFunction")), **issuer)


@pytest.fixture
def api(settings: Settings, stores: Stores, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with served(management_app(settings, Platform.make(settings, stores))) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


def calls(bus: SeenBus, count: int) -> list[tuple[str, str, int]]:
    """Method, route and status of each event since the last look: events leave after answers."""
    return sorted((one["method"], one["route"], one["status"]) for one in bus.details(count))


def test_call_is_told_once_and_whole(api: httpx.Client, bus: SeenBus, organization: str) -> None:
    assert api.get("/api/agents/echo?token=secret").status_code == 200
    (event,) = bus.events(1)
    assert (event["source"], event["detail-type"]) == ("millrace.api_event", "call")
    detail = event["detail"]
    assert detail["durationMs"] >= 0
    assert detail["id"] == detail["requestId"]
    for name in ("durationMs", "id", "requestId", "time"):
        assert detail.pop(name) is not None
    assert detail == {
        "organization": organization,
        "userId": "user-1",
        "method": "GET",
        "path": "/api/agents/echo",
        "route": "/api/agents/{agent_id}",
        "status": 200,
    }


def test_refusals_are_told_with_their_status(api: httpx.Client, bus: SeenBus, issuer: Issuer) -> None:
    api.get("/api/agents/unknown")
    api.post("/api/agents", json={"id": "-"})
    api.get("/api/streaming/pipelines", headers=issuer.headers("other", scope="chat"))
    assert calls(bus, 3) == [
        ("GET", "/api/agents/{agent_id}", 404),
        ("GET", "/api/streaming/pipelines", 403),
        ("POST", "/api/agents", 422),
    ]


def test_strangers_health_and_the_api_description_are_not_told(api: httpx.Client, bus: SeenBus) -> None:
    assert api.get("/api/openapi.json").status_code == 200
    assert api.get("/api/health").status_code == 200
    assert api.get("/api/nothing").status_code == 404
    assert api.options("/api/agents").status_code == 405
    assert api.get("/api/agents", headers={"authorization": "Bearer x"}).status_code == 401
    assert api.get("/api/agents").status_code == 200
    assert calls(bus, 1) == [("GET", "/api/agents", 200)]


def test_pushed_data_is_not_told_so_that_pipelines_do_not_feed_themselves(
    api: httpx.Client, bus: SeenBus
) -> None:
    """Neither what is accepted nor what is refused: a refusal would go round as well."""
    definition = {
        "name": "n",
        "source": {"type": "api_event"},
        "destination": {"type": "webhook", "config": {"url": "https://example.com"}},
    }
    pipeline = (
        f"/api/streaming/pipelines/{api.post('/api/streaming/pipelines', json=definition).json()['id']}"
    )
    assert api.post(f"{pipeline}/process", json={}).status_code == 409
    api.post(f"{pipeline}/start")
    assert api.post(f"{pipeline}/process", json={}).status_code == 202
    assert api.post(f"{pipeline}/batch", json=[{}]).status_code == 202
    api.get(pipeline)
    assert calls(bus, 3) == [
        ("GET", "/api/streaming/pipelines/{pipeline_id}", 200),
        ("POST", "/api/streaming/pipelines", 201),
        ("POST", "/api/streaming/pipelines/{pipeline_id}/start", 200),
    ]


def test_streamed_run_is_told_when_it_has_ended(
    settings: Settings, stores: Stores, issuer: Issuer, organization: str, bus: SeenBus
) -> None:
    with served(conversation_app(settings, Platform.make(settings, stores))) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as chat:
            say(chat, "hello")
    run = ["run:started", "run:status_changed", "run:completed"]
    reported = [one["detail"] for one in bus.events(len(run) + 1) if one["source"] == "millrace.api_event"]
    assert [(one["route"], one["path"], one["status"]) for one in reported] == [
        ("/api/conversations/{conversation_id}/messages", "/api/conversations/c1/messages", 200)
    ]


def test_call_by_ticket_is_told_without_the_ticket(
    settings: Settings, stores: Stores, issuer: Issuer, organization: str, bus: SeenBus
) -> None:
    with served(voice_app(settings, stores=stores)) as url:
        with httpx.Client(base_url=url, timeout=30) as client:
            wanted = {"path": "/api/voice/tts/stream"}
            given = client.post(
                "/api/stream-tickets", json=wanted, headers=issuer.headers(organization)
            ).json()
            client.get(given["url"])
    reported = bus.details(2)
    assert sorted((one["route"], one["organization"]) for one in reported) == [
        ("/api/stream-tickets", organization),
        ("/api/voice/tts/stream", organization),
    ]
    assert given["ticket"] not in json.dumps(reported)


class Gate(EventBus):
    """A bus whose first call ends when the test lets it."""

    name = "gate"

    def __init__(self) -> None:
        self.puts: list[list[BusEvent]] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def put(self, events: list[BusEvent]) -> None:
        self.puts.append(events)
        self.entered.set()
        await self.open.wait()


async def answer(request: Request) -> StreamingResponse:
    request.state.caller = Principal("acme", "somebody")
    return StreamingResponse(iter([b"a", b"b"]))


def small_app(bus: EventBus, clock: Clock = now_ms) -> Starlette:
    app = Starlette(routes=[Route("/x", answer)])
    app.add_middleware(ApiEvents, bus=bus, clock=clock)
    return app


async def call(app: Starlette, sent: list[Any]) -> None:
    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "query_string": b""}
    await app(scope, receive, send)


async def test_event_leaves_after_the_last_byte_and_before_the_app_returns() -> None:
    bus = Gate()
    sent: list[Any] = []
    running = asyncio.create_task(call(small_app(bus), sent))
    await bus.entered.wait()
    assert sent[-1]["type"] == "http.response.body"
    assert not sent[-1].get("more_body")
    assert not running.done()
    bus.open.set()
    await running


async def test_calls_that_end_while_the_bus_is_busy_share_the_next_call() -> None:
    bus, reported, times = Gate(), asyncio.Event(), iter(range(6))

    def clock() -> int:
        """Asked once for each call that has ended."""
        now = next(times)
        if now == 5:
            reported.set()
        return now

    app = small_app(bus, clock)
    first = asyncio.create_task(call(app, []))
    await bus.entered.wait()
    others = [asyncio.create_task(call(app, [])) for _ in range(5)]
    await reported.wait()
    bus.open.set()
    await asyncio.gather(first, *others)
    assert [len(events) for events in bus.puts] == [1, 5]


def test_text_for_json_is_cleaned_and_cut() -> None:
    state = {"caller": Principal("acme", "\ud800" + "x" * 5_000)}
    scope = {"type": "http", "state": state, "method": "GET", "path": "/\udcff" + "y" * 5_000, "headers": []}
    event = call_event(scope, 200, 0, 1)
    assert event is not None
    detail = json.loads(event.detail)
    assert detail["path"].startswith("/?y")
    assert {len(detail["path"]), len(detail["userId"])} == {LONGEST}


class Down(EventBus):
    """A bus that is down."""

    name = "down"

    def __init__(self) -> None:
        pass

    async def put(self, events: list[BusEvent]) -> None:
        raise OSError("down")


async def test_bus_that_is_down_costs_the_caller_nothing_and_the_log_has_the_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[Any] = []
    await call(small_app(Down()), sent)
    assert sent[0]["status"] == 200
    assert '"path":"/x"' in caplog.text
