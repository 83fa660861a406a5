"""Pipelines on the local stack: from the API and real runs, through the queues, to a server."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.api.talk import say
from tests.e2e import streaming
from tests.e2e.streaming import PIPELINES, SECONDS, wait_until
from tests.stack import RunningStack


class Receiver(ThreadingHTTPServer):
    """Takes what pipelines deliver; `bodies` in the order they came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: queue.Queue[Any] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/events"

    def receive(self, count: int) -> list[dict[str, Any]]:
        """So many events' payloads; fails when they do not come within a minute."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            body = self.bodies.get(timeout=SECONDS)
            found += body if isinstance(body, list) else [body]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.put(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the tests' output is for the tests."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def started(chat: httpx.Client, receiver: Receiver, **definition: Any) -> str:
    """The id of a running pipeline that delivers to the receiver."""
    destination = {"type": "webhook", "config": {"url": receiver.url}}
    return streaming.started(chat, destination=destination, **definition)


def test_references_pipeline_tells_of_a_real_run(chat: httpx.Client, receiver: Receiver) -> None:
    """Filter and map as in the reference; the run is the echo agent's."""
    expression = {
        "event_type": '"agent_completion"',
        "agent_id": "agentId",
        "tokens": "tokenUsage.total",
        "cost": "cost",
        "timestamp": "completedAt",
    }
    keep = {"field": "status", "operator": "eq", "value": "completed"}
    id = started(
        chat,
        receiver,
        source={"type": "agent_execution", "agentIds": ["echo"]},
        transforms=[
            {"type": "filter", "config": keep},
            {"type": "map", "config": {"expression": expression}},
        ],
    )
    say(chat, "hello")
    (event,) = receiver.receive(1)
    run = chat.get("/api/conversations/c1").json()
    assert run["id"] == "c1"
    assert (event["event_type"], event["agent_id"]) == ("agent_completion", "echo")
    assert event["tokens"] > 0
    assert event["timestamp"]
    wait_until(lambda: chat.get(f"{PIPELINES}/{id}/metrics").json()["itemsDelivered"] == 1)
    metrics = chat.get(f"{PIPELINES}/{id}/metrics").json()
    assert (metrics["itemsProcessed"], metrics["deliveries"]["attempts"]) == (1, 1)
    assert metrics["latency"]["avg"] > 0
    assert chat.get(f"{PIPELINES}/{id}/health").json()["status"] == "healthy"


def test_alert_reaches_a_pipeline(chat: httpx.Client, receiver: Receiver) -> None:
    started(chat, receiver, source={"type": "alert", "states": ["triggered"]})
    rule = {"name": "SlotChanged", "metric": "tokens", "threshold": 0}
    assert chat.post("/api/command-center/alerts", json=rule).status_code == 201
    say(chat, "hello")
    (event,) = receiver.receive(1)
    assert (event["alert"]["name"], event["alert"]["state"]) == ("SlotChanged", "triggered")


def test_pushed_items_are_paused_resumed_and_delivered_each_once(
    chat: httpx.Client, receiver: Receiver
) -> None:
    id = started(chat, receiver)
    chat.post(f"{PIPELINES}/{id}/batch", json=[{"n": n} for n in range(50)])
    assert sorted(event["n"] for event in receiver.receive(50)) == list(range(50))
    chat.post(f"{PIPELINES}/{id}/pause")
    chat.post(f"{PIPELINES}/{id}/batch", json=[{"n": n} for n in range(50, 60)])
    chat.post(f"{PIPELINES}/{id}/resume")
    assert sorted(event["n"] for event in receiver.receive(10)) == list(range(50, 60))
    assert receiver.bodies.empty()


def test_batch_leaves_when_its_time_is_over(chat: httpx.Client, receiver: Receiver) -> None:
    id = started(chat, receiver, transforms=[{"type": "batch", "config": {"size": 100, "timeout": 1_000}}])
    chat.post(f"{PIPELINES}/{id}/process", json={"n": 1})
    (batch,) = receiver.receive(1)
    assert batch["items"] == [{"n": 1}]


def test_sweep_is_scheduled_every_minute_and_answers(stack: RunningStack) -> None:
    reported = stack.deployment
    rule = stack.client("events").describe_rule(Name=reported["resources"]["SweepFunctionMinute"])
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    name = reported["functions"]["SweepFunction"]["name"]
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    assert json.loads(answer["Payload"].read()).keys() >= {"timers"}


def test_strangers_webhook_reaches_the_receiver(
    stack: RunningStack, chat: httpx.Client, receiver: Receiver
) -> None:
    id = started(chat, receiver, source={"type": "webhook"})
    answer = httpx.post(f"{stack.url}/hooks/{id}", json={"n": 7})
    assert answer.status_code == 202
    assert receiver.receive(1) == [{"n": 7}]
