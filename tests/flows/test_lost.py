"""A flow whose process dies: another one continues with the interrupted step."""

import itertools
import uuid

import httpx

from tests.api.talk import attach
from tests.flows.making import STREAM, WAITING, make_flow, post
from tests.sse import Sent, read_events
from tests.stack import RunningStack

SLOW = "/echo tools=0 tokens=80 delayMs=50\nword"


def stream_over_a_kill(stack: RunningStack, client: httpx.Client, execution: str) -> list[Sent]:
    """Return what a client sees when the process that works on its flow is killed while tokens come."""
    body = {"input": SLOW, "executionId": execution}
    with client.stream("POST", "/api/flows/waiting/events", json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        events = read_events(response.iter_lines())
        seen = list(itertools.islice(events, 15))
        assert stack.kill("ContinueRunsFunction") > 0
        return seen + list(events)


def test_killed_flow_goes_on_with_the_step_that_was_interrupted(stack: RunningStack) -> None:
    headers = stack.headers(f"flows-{uuid.uuid4().hex[:8]}")
    with httpx.Client(base_url=stack.url, headers=headers, timeout=90) as client:
        make_flow(client, [*WAITING[:2], WAITING[2] | {"message": "steps.approval"}], "waiting")
        waiting = post(client, "Hello", "waiting").json()
        seen = stream_over_a_kill(stack, client, waiting["executionId"])
        types = [event.data["type"] for event in seen]
        assert "rewind" in types
        assert seen[-1].data["result"].split() == ["word"] * 80
        logged = attach(client, f"/api/runs/{waiting['runId']}/stream")
        starts = [event.data["name"] for event in logged if event.data["type"] == "flow_step_start"]
        assert starts == ["draft", "sent", "sent"]
        assert client.get(f"/api/runs/{waiting['runId']}").json()["state"] == "completed"
