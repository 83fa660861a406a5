"""Runs that wait for people on the running stack: no function runs for them, and after a restart they can be
answered and continue."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.streaming import depth, wait_until
from tests.effort import effort, soak
from tests.stack import RunningStack

QUIET_SECONDS, WATCHED_SECONDS = 8.0, effort(8, 180)
SCHEDULED = {
    "RecordFunction": "looks every 15 seconds at all runs for lost ones, and at alerts every minute",
    "SweepFunction": "looks every minute for timers of pipelines",
}
"""Functions that run by schedule, for the whole deployment and whether or not anything waits."""

ASKING = {
    "id": "careful",
    "name": "Careful",
    "model": "echo:",
    "tools": [{"name": "echo_tool", "policy": "ask"}],
}
MESSAGES = "/api/conversations/c1/messages"


@contextmanager
def kept_stack(folder: Path) -> Iterator[RunningStack]:
    running = RunningStack(("--keep", str(folder)))
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def client_of(stack: RunningStack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers=stack.headers("kept"), timeout=90)


def invoked(stack: RunningStack, since: float) -> set[tuple[str, str]]:
    """The invocations that have ended since then (Unix seconds), without those by schedule: function and
    request."""
    lines = map(json.loads, httpx.get(f"{stack.url}/_local/logs").text.splitlines())
    found = {
        (one["function"], one["request_id"]) for one in lines if one["request_id"] and one["time"] > since
    }
    return {one for one in found if one[0] not in SCHEDULED}


def is_quiet(stack: RunningStack) -> bool:
    """Return whether all that the run's beginning has led to is over."""
    resources: dict[str, str] = stack.deployment["resources"]
    queues = [name for name, id in resources.items() if name.endswith("Queue") and id.startswith("http")]
    queues.remove("RecordQueue")  # the next look waits there
    return not any(depth(stack, name) for name in queues) and not invoked(stack, time.time() - QUIET_SECONDS)


@soak
@pytest.mark.timeout(300)
def test_waiting_run_costs_no_invocation_and_is_answered_after_a_restart_of_the_stack(tmp_path: Path) -> None:
    with kept_stack(tmp_path / "state") as first, client_of(first) as client:
        assert client.post("/api/agents", json=ASKING).status_code == 201
        asked = client.post(MESSAGES, json={"content": "hello there", "agentId": "careful"})
        assert asked.status_code == 202, asked.text
        assert asked.json()["finishReason"] == "waiting"
        wait_until(lambda: "ConversationFunction" in {name for name, _ in invoked(first, 0)})
        wait_until(lambda: is_quiet(first))
        began = time.time()
        threading.Event().wait(WATCHED_SECONDS)
        assert invoked(first, began) == set()
        first.signal(signal.SIGINT)
        assert first.wait() == 0
    with kept_stack(tmp_path / "state") as second, client_of(second) as client:
        [call] = client.get("/api/approvals").json()["items"]
        answer = {"callId": call["callId"], "decision": "approve"}
        path = f"/api/runs/{call['runId']}/answers"
        streamed = client.post(path, json=answer, headers={"accept": "text/event-stream"})
        assert '"type":"done"' in streamed.text, streamed.text
        last = client.get(MESSAGES).json()["items"][-1]
    assert last["finishReason"] == "stop"
    assert "hello there" in "".join(block.get("text", "") for block in last["content"])
