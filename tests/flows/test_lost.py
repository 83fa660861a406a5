"""A flow whose process dies: whoever resumes learns it, and the execution goes on."""

import itertools
import uuid

import httpx
import pytest

from tests.api.talk import attach, error_of
from tests.flows.making import STREAM, WAITING, make_flow, post
from tests.sse import Sent, read_events
from tests.stack import RunningStack

ENDLESS = "/echo tools=0 tokens=9000 delayMs=50\nword"


def stream_until_killed(stack: RunningStack, client: httpx.Client, execution: str) -> list[Sent]:
    """Return what a client sees when the process of its function is killed while tokens come."""
    body = {"input": ENDLESS, "executionId": execution}
    with client.stream("POST", "/api/flows/waiting/events", json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        events = read_events(response.iter_lines())
        seen = list(itertools.islice(events, 30))
        assert stack.kill("FlowsFunction") > 0
        with pytest.raises(httpx.RemoteProtocolError):
            seen.extend(events)
    return seen


def test_killed_flow_is_told_as_lost_and_its_execution_goes_on(stack: RunningStack) -> None:
    """SIGKILL in the second leg: the log is kept, `run_lost` within a minute, the same input can be posted
    again, and the first leg's results still stand."""
    headers = stack.headers(f"flows-{uuid.uuid4().hex[:8]}")
    with httpx.Client(base_url=stack.url, headers=headers, timeout=90) as client:
        make_flow(client, [*WAITING[:2], WAITING[2] | {"message": "steps.approval"}], "waiting")
        execution = post(client, "Hello", "waiting").json()["executionId"]
        seen = stream_until_killed(stack, client, execution)
        run_id = seen[0].data["runId"]
        assert error_of(post(client, "too early", "waiting", executionId=execution)) == (409, "run_active")
        found = attach(client, f"/api/runs/{run_id}/stream")
        logged = [event for event in found if event.id is not None]
        assert logged[-1].data["code"] == "run_lost"
        assert logged[-2].data["type"] == "rewind"
        assert logged[:-2] == seen[: len(logged) - 2]
        assert client.get(f"/api/runs/{run_id}").json()["state"] == "failed"
        done = post(client, "yes", "waiting", executionId=execution).json()
        assert (done["state"], done["result"]) == ("completed", "yes")
