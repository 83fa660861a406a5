"""The command center over the running stack: real runs of two organizations, from the bus to the viewers."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest

from millrace.domain.clock import from_iso
from millrace.domain.command_center import EVENT_TYPES
from tests.command_center.viewing import until, viewing
from tests.sse import Sent, read_events
from tests.stack import RunningStack

RUNS = 10
SLOW = "/echo tokens=30 delayMs=300 tools=1\nslow words"
STREAM = {"accept": "text/event-stream"}


def client_of(stack: RunningStack, organization: str) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers=stack.headers(organization), timeout=100)


def say(client: httpx.Client, conversation: str, content: str) -> str:
    """Run the echo agent to its end, with a live message if it is slow; its run's id."""
    body = {"agentId": "echo", "content": content}
    path = f"/api/conversations/{conversation}"
    with client.stream("POST", f"{path}/messages", json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        events = read_events(response.iter_lines())
        run_id: str = next(events).data["runId"]
        if content == SLOW:
            assert client.post(f"{path}/inject", json={"content": "and this"}).status_code == 202
        for _ in events:
            pass
    return run_id


@pytest.fixture
def organizations() -> tuple[str, str]:
    stem = uuid.uuid4().hex[:8]
    return f"center-a-{stem}", f"center-b-{stem}"


def watch_runs(client: httpx.Client, ends: int) -> list[Sent]:
    """Everything from the beginning to so many ends of runs, and to the live message, which the bus may bring
    behind its run's end."""
    found: list[Sent] = []
    is_reported = False
    with viewing(client, since=0) as events:
        for event in events:
            if event.data["type"] != "heartbeat":
                found.append(event)
            ends -= event.data["type"] in ("run:completed", "run:error")
            is_reported = is_reported or event.data["type"] == "run:memory_op"
            if ends <= 0 and is_reported:
                return found
    raise AssertionError("the stream ended early")


@pytest.mark.timeout(300)  # twenty runs and their alerts, which the look of every minute may have to resolve
def test_each_of_two_organizations_sees_its_own_twenty_runs_and_every_type(
    stack: RunningStack, organizations: tuple[str, str]
) -> None:
    contents = ["/echo failAfter=1 tools=0\nx y", SLOW, *["hello there"] * (RUNS - 2)]
    rule = {"name": "Errors", "metric": "error_rate", "threshold": 0.3, "window": 600_000}
    clients = [client_of(stack, one) for one in organizations]
    with ThreadPoolExecutor(6) as pool:
        watching = [pool.submit(watch_runs, client, RUNS) for client in clients]
        ran: list[set[str]] = []
        for client in clients:
            assert client.post("/api/command-center/alerts", json=rule).status_code == 201
            first = say(client, "c0", contents[0])
            with viewing(client, since=0) as alerts:
                until(alerts, "alert:triggered")
            rest = pool.map(lambda n, who=client: say(who, f"c{n}", contents[n]), range(1, RUNS))
            ran.append({first, *rest})
        seen = [one.result(120) for one in watching]
    for client, runs, events in zip(clients, ran, seen, strict=True):
        with viewing(client, since=0, eventTypes="alert:resolved,alert:triggered") as both:
            reported = until(both, "alert:resolved")
        assert [one.data["type"] for one in reported] == ["alert:triggered", "alert:resolved"]
        assert {one.data["runId"] for one in events if "runId" in one.data} == runs
        types = {one.data["type"] for one in [*events, *reported]}
        elsewhere = {"pipeline:backpressure", "run:deleted", "approval:requested", "approval:answered"}
        assert types == set(EVENT_TYPES) - elsewhere
        _progress_is_at_most_one_a_second(events)
        _clients_of_the_reference_find_what_they_read(events)
        assert client.get("/api/command-center/snapshot").json()["runs"] == []
        client.close()


def _progress_is_at_most_one_a_second(events: list[Sent]) -> None:
    reported: dict[str, list[int]] = {}
    for event in events:
        if event.data["type"] == "run:progress":
            reported.setdefault(event.data["runId"], []).append(from_iso(event.data["time"]))
    assert reported
    assert all(
        later - before >= 999 for times in reported.values() for before, later in pairwise(sorted(times))
    )


def _clients_of_the_reference_find_what_they_read(events: list[Sent]) -> None:
    by_type: dict[str, dict[str, Any]] = {event.data["type"]: event.data for event in events}
    assert by_type["run:started"]["run"]["id"]
    assert by_type["run:progress"]["tokens"] > 0
    assert "cost" in by_type["run:progress"]
    assert by_type["run:tool_started"]["tool"] == "echo_tool"
    assert by_type["run:completed"]["result"]
    assert by_type["alert:triggered"]["alert"]["name"] == "Errors"
