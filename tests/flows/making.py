"""Flows for tests."""

from typing import Any

import httpx

from tests.sse import Sent, read_events

STREAM = {"accept": "text/event-stream"}
DEFINITION = {
    "name": "doubled",
    "source": {"type": "api_event"},
    "transforms": [
        {"type": "filter", "config": {"field": "keep", "operator": "eq", "value": True}},
        {"type": "map", "config": {"expression": {"said": "text", "twice": "number * 2"}}},
    ],
    "destination": {"type": "webhook", "config": {"url": "https://example.com/"}},
}
THREE_STEPS: list[dict[str, Any]] = [
    {"name": "sum", "type": "tool", "tool": "calculator", "arguments": {"expression": "input.sum"}},
    {"name": "told", "type": "agent", "agentId": "echo", "message": 'concat("It is ", steps.sum)'},
    {
        "name": "shaped",
        "type": "pipeline",
        "definition": DEFINITION,
        "events": "[input.first, input.second]",
    },
]
INPUT = {
    "sum": "6 * 7",
    "first": {"keep": True, "text": "one", "number": 1},
    "second": {"keep": False, "text": "two", "number": 2},
}
OUTPUT = "[steps.told, steps.shaped]"
WAITING: list[dict[str, Any]] = [
    {"name": "draft", "type": "agent", "agentId": "echo", "message": "input"},
    {"name": "approval", "type": "wait_for_input", "prompt": "Send it?"},
    {
        "name": "sent",
        "type": "agent",
        "agentId": "echo",
        "message": 'concat(steps.draft, ": ", steps.approval)',
    },
]


def make_flow(flows: httpx.Client, steps: list[dict[str, Any]], name: str = "flow", **more: Any) -> None:
    """Create a flow."""
    made = flows.post("/api/flows", json={"name": name, "steps": steps} | more)
    assert made.status_code == 201, made.text


def post(flows: httpx.Client, given: Any, name: str = "flow", **more: Any) -> httpx.Response:
    """Run a flow for its JSON answer."""
    return flows.post(f"/api/flows/{name}/events", json={"input": given} | more)


def stream(flows: httpx.Client, given: Any, name: str = "flow", **more: Any) -> list[Sent]:
    """Run a flow and reads its whole stream."""
    body = {"input": given} | more
    with flows.stream("POST", f"/api/flows/{name}/events", json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        return list(read_events(response.iter_lines()))
