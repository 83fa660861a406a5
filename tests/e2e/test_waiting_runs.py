"""Runs that wait for people on the running stack: after a restart they are answered and go on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.stack import RunningStack

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


@pytest.mark.timeout(300)
def test_approval_is_answered_after_a_restart_of_the_stack(tmp_path: Path) -> None:
    with kept_stack(tmp_path / "state") as first, client_of(first) as client:
        assert client.post("/api/agents", json=ASKING).status_code == 201
        asked = client.post(MESSAGES, json={"content": "hello there", "agentId": "careful"})
        assert asked.status_code == 202, asked.text
        assert asked.json()["finishReason"] == "waiting"
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
