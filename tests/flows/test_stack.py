"""Flows over the running stack: the function behind its URL, and its runs in the command center."""

import uuid

import httpx
import orjson

from tests.command_center.viewing import until, viewing
from tests.e2e.streaming import created
from tests.fakes.receivers import receiving
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


def test_flow_notifies_through_a_destination_of_a_pipeline(stack: RunningStack) -> None:
    """One event, by the function that delivers; what the destination refuses fails the step."""
    headers = stack.headers(f"flows-{uuid.uuid4().hex[:8]}")
    with receiving() as receivers, httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        webhook = {"type": "webhook", "config": {"url": f"{receivers.url}/hook"}}
        pipeline = created(client, source={"type": "api_event"}, destination=webhook)
        step = {
            "name": "announced",
            "type": "notify",
            "pipelineId": pipeline,
            "payload": {"order": "input.order", "state": "'paid'"},
        }
        make_flow(client, [step], "notifies")
        assert post(client, {"order": 7}, "notifies").json()["result"]["outcome"] == "delivered"
        [received] = receivers.hook.taken
        assert orjson.loads(received.body) == {"order": 7, "state": "paid"}
        make_flow(client, [step | {"pipelineId": "nobody"}], "nowhere")
        failed = post(client, {"order": 7}, "nowhere")
        assert (failed.status_code, failed.json()["error"]["step"]) == (502, "announced")
