"""Flows over the running stack: the function behind its URL, and its runs in the command center."""

import uuid

import httpx

from tests.command_center.viewing import until, viewing
from tests.flows.making import INPUT, OUTPUT, THREE_STEPS, WAITING, make_flow, post, stream
from tests.stack import RunningStack


def test_flow_runs_waits_and_is_seen_by_the_command_center(stack: RunningStack) -> None:
    headers = stack.headers(f"flows-{uuid.uuid4().hex[:8]}")
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        make_flow(client, THREE_STEPS, output=OUTPUT)
        make_flow(client, WAITING, "waiting")
        last = stream(client, INPUT)[-1].data
        assert last["result"] == ["It is 42", [{"said": "one", "twice": 2}]]
        execution = post(client, "Hello", "waiting").json()["executionId"]
        assert post(client, "yes", "waiting", executionId=execution).json()["result"] == "Hello: yes"
        # Events of two processes may overtake each other between bus and log.
        with viewing(client, since=0, agentIds="flow:waiting") as events:
            changes = until(events, "run:status_changed", 3)
        with viewing(client, since=0, agentIds="flow:waiting") as events:
            until(events, "run:completed")
        states = {one.data["to"] for one in changes if one.data["type"] == "run:status_changed"}
        assert states == {"waiting", "running", "completed"}
        assert client.get("/api/command-center/snapshot").json()["runs"] == []
