"""Pipelines on AWS's services: events a second on the local stack, and for a million events the CPU, the
calls and the dollars of their functions.

`python -m tests.bench pipelines_stack`. Calls are counted by botocore's events, DynamoDB's units are told by
the emulator, CPU is the handlers' own: see `_plant` and `_metering`. Lambda's time is CPU on the
share of a vCPU that its memory gives. Not counted: cold starts, waiting for AWS and for destinations.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from millrace.cost import prices
from millrace.domain.clock import iso, now_ms
from tests.bench._plant import Plant, planted
from tests.e2e.streaming import started, wait_until
from tests.fakes.receivers import TOKEN, receiving
from tests.fakes.sink import sinking
from tests.stack import RunningStack

EVENTS, RARE = 4_000, 200
PER_REQUEST = 40
WINDOWS, AGENTS = 10, 20
SLOWEST_SECONDS = 180

KEPT = {"type": "filter", "config": {"field": "status", "operator": "eq", "value": "completed"}}
MAPPED = {
    "type": "map",
    "config": {
        "expression": {
            "event_type": '"agent_completion"',
            "agent_id": "agentId",
            "tokens": "tokenUsage.total",
            "cost": "cost",
            "timestamp": "completedAt",
        }
    },
}
SUMS = [{"field": "cost", "function": "sum"}, {"field": "*", "function": "count"}]
WINDOW = {
    "type": "window",
    "config": {
        "type": "tumbling",
        "size": 60_000,
        "groupBy": ["agentId"],
        "aggregations": SUMS,
        "timeField": "completedAt",
        "allowedLateness": 86_400_000,
    },
}
MIXPANEL = {"type": "analytics", "config": {"provider": "mixpanel", "projectToken": TOKEN}}


def hook(url: str) -> dict[str, Any]:
    return {"type": "webhook", "config": {"url": url}}


@dataclass(frozen=True)
class Case:
    """`source` is webhook (40 events in a request) or agent_execution (each by itself on the bus); the
    destination is a webhook unless given. `together`: messages in an invocation, a matter of load."""

    name: str
    source: str = "webhook"
    transforms: tuple[dict[str, Any], ...] = (KEPT, MAPPED)
    destination: dict[str, Any] | None = None
    events: int = EVENTS
    together: int = 10


CASES = (
    Case("webhook"),
    Case("mixpanel", destination=MIXPANEL),
    Case("windows", transforms=(KEPT, WINDOW)),
    Case("runs", "agent_execution", destination=MIXPANEL, together=100),
    Case("rare_runs", "agent_execution", destination=MIXPANEL, events=RARE, together=1),
)


def run(at: int, now: int) -> dict[str, Any]:
    """A run that has ended in one of the last minutes, about 400 bytes."""
    return {
        "status": "completed",
        "agentId": f"agent-{at % AGENTS}",
        "agentName": "Support",
        "runId": f"run_{at:026d}",
        "conversationId": f"conversation-{at // 3}",
        "tokenUsage": {"input": 900 + at % 700, "output": at % 400, "total": 900 + at % 700 + at % 400},
        "cost": (at % 97) / 1000,
        "completedAt": iso(now - 3_600_000 + at % WINDOWS * 60_000),
        "durationMs": 5_000,
        "finishReason": "stop",
    }


def runs(count: int) -> list[dict[str, Any]]:
    now = now_ms() // 60_000 * 60_000
    return [run(at, now) for at in range(count)]


def on_bus(event: dict[str, Any], organization: str) -> str:
    """As EventBridge puts it on the queue."""
    detail = {"organization": organization, "id": f"{event['runId']}:9", "time": event["completedAt"]}
    return json.dumps(
        {
            "version": "0",
            "id": event["runId"],
            "detail-type": "run:completed",
            "source": "millrace.agent_execution",
            "account": "111111111111",
            "time": event["completedAt"],
            "region": "us-east-1",
            "resources": [],
            "detail": detail | event,
        }
    )


def feed(plant: Plant, case: Case, pipeline: str) -> None:
    events = runs(case.events)
    if case.source == "webhook":
        for start in range(0, case.events, PER_REQUEST):
            plant.webhook(pipeline, events[start : start + PER_REQUEST])
    else:
        plant.put([on_bus(event, case.name) for event in events])


def drain(plant: Plant, together: int) -> None:
    """All that follows from what is on the ingest queue, fired windows included."""
    jobs = min(together, 10)
    while any(
        [
            plant.work("transform", "INGEST_QUEUE_URL", together),
            plant.work("transform", "TIMER_QUEUE_URL", jobs),
            plant.work("deliver", "DELIVERY_QUEUE_URL", jobs),
        ]
    ):
        pass


def figures(plant: Plant, case: Case) -> Iterator[tuple[str, float]]:
    """A case's figures; calls and dollars are for a million events."""
    scale = 1e6 / case.events
    for function, invocations in plant.invocations.items():
        yield f"{function}_cpu_ms_per_invocation", plant.cpu[function] / invocations * 1e3
    yield "events_per_ingest_message", case.events / plant.messages["transform"]
    yield "aws_calls", plant.meter.calls.total() * scale
    dollars = plant.meter.dollars() | {"lambda": lambda_dollars(plant)}
    if case.source != "webhook":
        dollars["eventbridge"] = case.events * prices.BUS_EVENT
    for service, paid in dollars.items():
        yield f"usd_{service}", paid * scale
    yield "usd", sum(dollars.values()) * scale


def lambda_dollars(plant: Plant) -> float:
    """Invocations, and CPU as GB-seconds: the more memory, the more CPU for the same money."""
    seconds_of_a_gb = sum(plant.cpu.values()) * prices.CPU_MB / 1024
    return sum(plant.invocations.values()) * prices.LAMBDA_REQUEST + seconds_of_a_gb * prices.GB_SECOND


def costs() -> dict[str, float]:
    """Every case through the real functions in this process."""
    found: dict[str, float] = {}
    with planted() as (plant, sink):
        for case in CASES:
            definition = {
                "source": {"type": case.source},
                "transforms": case.transforms,
                "destination": case.destination or hook(sink),
            }
            pipeline = plant.started(case.name, definition)
            feed(plant, case, pipeline)
            drain(plant, case.together)
            found |= {f"{case.name}_{name}": value for name, value in figures(plant, case)}
    return found


def rates() -> dict[str, float]:
    """Events a second over the running stack, from the first request to the last event at its destination."""
    with sinking() as sink, receiving() as services:
        stack = RunningStack(environ={"MIXPANEL_BASE_URL": services.url})
        try:
            stack.wait_until_ready()
            return {
                "stack_webhook_events_per_s": rate(stack, hook(sink.url), lambda: len(sink.effects)),
                "stack_mixpanel_events_per_s": rate(stack, MIXPANEL, lambda: len(services.mixpanel.taken)),
            }
        finally:
            stack.stop()


def rate(stack: RunningStack, destination: dict[str, Any], arrived: Callable[[], int]) -> float:
    """Of webhooks to a destination."""
    with httpx.Client(base_url=stack.url, headers=stack.headers("bench"), timeout=60) as client:
        source, steps = {"type": "webhook"}, [KEPT, MAPPED]
        id = started(client, source=source, transforms=steps, destination=destination)

        def send(events: list[dict[str, Any]]) -> None:
            client.post(f"/hooks/{id}", json=events).raise_for_status()

        events = runs(EVENTS)
        send(events[:1])  # starts the functions
        wait_until(lambda: arrived() >= 1)
        begun = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, (events[at : at + PER_REQUEST] for at in range(0, EVENTS, PER_REQUEST))))
        wait_until(lambda: arrived() >= EVENTS + 1, SLOWEST_SECONDS)
        return EVENTS / (time.monotonic() - begun)


def measure() -> dict[str, float]:
    return rates() | costs()


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure:50} {value:14.2f}")
