"""Running flows: JSON by default, streamed step by step on request."""

import httpx
import pytest

from tests.flows.making import INPUT, OUTPUT, THREE_STEPS, make_flow, post, stream
from tests.sse import answer, read_events, types
from tests.tokens import Issuer


def test_flow_of_tool_agent_and_pipeline_answers_json_by_default(flows: httpx.Client) -> None:
    make_flow(flows, THREE_STEPS, output=OUTPUT)
    response = post(flows, INPUT)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["state"] == "completed"
    assert body["result"] == ["It is 42", [{"said": "one", "twice": 2}]]
    assert [(step["name"], step["ok"]) for step in body["steps"]] == [
        ("sum", True),
        ("told", True),
        ("shaped", True),
    ]
    assert response.headers["x-run-id"] == body["runId"]


def test_flow_streams_step_by_step(flows: httpx.Client) -> None:
    make_flow(flows, THREE_STEPS, output=OUTPUT)
    events = stream(flows, INPUT)
    assert types(events) == [
        "start",
        "flow_step_start",
        "tool_call",
        "tool_result",
        "flow_step_complete",
        "flow_step_start",
        "thinking",
        "tool_call",
        "tool_result",
        "thinking",
        "token",
        "flow_step_complete",
        "flow_step_start",
        "flow_step_complete",
        "done",
    ]
    assert answer(events) == "It is 42"
    starts = [event.data for event in events if event.data["type"] == "flow_step_start"]
    assert [(one["step"], one["name"], one["index"], one["total"]) for one in starts] == [
        ("sum", "sum", 0, 3),
        ("told", "told", 1, 3),
        ("shaped", "shaped", 2, 3),
    ]
    assert {event.data["step"] for event in events if event.data["type"] == "token"} == {"told"}
    assert events[-1].data["result"] == ["It is 42", [{"said": "one", "twice": 2}]]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("*/*", False),
        ("application/json", False),
        ("text/event-stream", True),
        ("TEXT/EVENT-STREAM", True),
        ("application/json, text/event-stream", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-stream;q=0", False),
        ("text/*", True),
        ("text/html, */*;q=0.8", False),
    ],
)
def test_accept_decides_whether_a_flow_streams(flows: httpx.Client, accept: str, streams: bool) -> None:
    make_flow(flows, THREE_STEPS[:1])
    body = {"input": {"sum": "1+1"}}
    response = flows.post("/api/flows/flow/events", json=body, headers={"accept": accept})
    assert response.headers["content-type"].startswith("text/event-stream") == streams
    assert response.status_code == 200


def test_step_that_fails_streams_its_error_at_once_and_ends_the_flow(flows: httpx.Client) -> None:
    broken = {
        "name": "broken",
        "type": "agent",
        "agentId": "echo",
        "message": '"/echo failAfter=1 tools=0\\nx y"',
    }
    make_flow(flows, [THREE_STEPS[0], broken, THREE_STEPS[2]])
    events = stream(flows, INPUT)
    last = events[-1].data
    assert (last["type"], last["code"], last["step"]) == ("error", "echo_failed", "broken")
    assert "broken" in last["message"]
    completed = [event.data for event in events if event.data["type"] == "flow_step_complete"]
    assert [(one["name"], one["ok"]) for one in completed] == [("sum", True), ("broken", False)]


def test_step_that_fails_is_named_in_json(flows: httpx.Client) -> None:
    wrong = {"name": "wrong", "type": "tool", "tool": "calculator", "arguments": {"expression": '"1 +"'}}
    make_flow(flows, [wrong])
    response = post(flows, {})
    assert response.status_code == 502
    error = response.json()["error"]
    assert (error["code"], error["step"]) == ("tool_failed", "wrong")


def test_idempotency_key_runs_a_flow_once(flows: httpx.Client) -> None:
    make_flow(flows, THREE_STEPS[:1])
    first, second = (post(flows, {"sum": "1+2"}, idempotencyKey="key-1").json() for _ in range(2))
    assert (first["runId"], first["result"]) == (second["runId"], 3)
    assert second["result"] == 3
    other = post(flows, {"sum": "1+3"}, idempotencyKey="key-1")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_flow_can_be_resumed_from_the_log_like_any_run(flows: httpx.Client, chat: httpx.Client) -> None:
    make_flow(flows, THREE_STEPS, output=OUTPUT)
    events = stream(flows, INPUT)
    path = f"/api/runs/{events[0].data['runId']}/stream?after={events[4].id}"
    with chat.stream("GET", path, headers={"accept": "text/event-stream"}) as response:
        assert list(read_events(response.iter_lines())) == events[5:]


def test_post_with_an_event_id_resumes_and_begins_no_second_execution(
    flows: httpx.Client, chat: httpx.Client
) -> None:
    make_flow(flows, THREE_STEPS, output=OUTPUT)
    make_flow(flows, THREE_STEPS[:1], "other")
    events = stream(flows, INPUT)
    last = {"accept": "text/event-stream", "last-event-id": str(events[4].id)}
    body = {"input": INPUT}
    answer = flows.post("/api/flows/flow/events", json=body, headers=last)
    assert list(read_events(answer.text.splitlines())) == events[5:]
    last |= {"last-event-id": str(events[-1].id)}
    assert flows.post("/api/flows/flow/events", json=body, headers=last).status_code == 204
    elsewhere = flows.post("/api/flows/other/events", json=body, headers=last)
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (404, "run_not_found")
    bare = flows.post("/api/flows/flow/events", json=body, headers=last | {"last-event-id": "3"})
    assert (bare.status_code, bare.json()["error"]["code"]) == (422, "invalid_query")
    assert len(chat.get("/api/conversations").json()["items"]) == 1


def test_another_organization_does_not_find_the_flow(flows: httpx.Client, issuer: Issuer) -> None:
    make_flow(flows, THREE_STEPS)
    response = flows.post(
        "/api/flows/flow/events", json={"input": {}}, headers=issuer.headers("somebody-else")
    )
    assert (response.status_code, response.json()["error"]["code"]) == (404, "flow_not_found")
