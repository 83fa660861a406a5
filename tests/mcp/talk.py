"""Helpers to speak MCP by hand, as a client with a session."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from millrace.domain.agents import Agent
from millrace.services.runs.platform import Platform

Json = dict[str, Any]
BOTH = {"accept": "application/json, text/event-stream"}
VERSION = "2025-11-25"


class Frame(NamedTuple):
    """One event of a stream: its id ("" without) and its message (None for an event with an id only)."""

    id: str
    data: Any


def begin(client: httpx.Client, **capabilities: Any) -> dict[str, str]:
    """Initialize a session; the headers of its requests."""
    params = {
        "protocolVersion": VERSION,
        "capabilities": capabilities,
        "clientInfo": {"name": "tests", "version": "1"},
    }
    response = client.post("/mcp", json=request("initialize", params, 0), headers=BOTH)
    assert response.status_code == 200, response.text
    assert response.json()["result"]["protocolVersion"] == VERSION
    return {**BOTH, "mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": VERSION}


def request(method: str, params: Any = None, id: Any = 1) -> Json:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


def call(tool: str, id: Any = 1, token: Any = None, **arguments: Any) -> Json:
    """A call of a tool."""
    params: Json = {"name": tool, "arguments": arguments}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return request("tools/call", params, id)


def rpc(client: httpx.Client, headers: dict[str, str], method: str, params: Any = None) -> Json:
    """Send a request that is answered with JSON."""
    response = client.post("/mcp", json=request(method, params), headers=headers)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def frames(response: httpx.Response) -> Iterator[Frame]:
    """The events of a stream as they come."""
    assert response.headers.get("content-type", "").startswith("text/event-stream"), response.read()
    id, data = "", None
    for line in response.iter_lines():
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data:"):
            data = line[5:].strip()
        elif not line and data is not None:
            yield Frame(id, json.loads(data) if data else None)
            id, data = "", None


def stream(client: httpx.Client, headers: dict[str, str], message: Json) -> list[Frame]:
    """Post a message and read the whole stream that answers it."""
    with client.stream("POST", "/mcp", json=message, headers=headers) as response:
        assert response.status_code == 200, response.read()
        return list(frames(response))


def resume(client: httpx.Client, headers: dict[str, str], last: str) -> list[Frame]:
    """Come back behind an event, as a client does, until the request is answered."""
    found: list[Frame] = []
    while True:
        with client.stream("GET", "/mcp", headers=headers | {"last-event-id": last}) as response:
            if response.status_code == 204:
                return found
            assert response.status_code == 200, response.read()
            found += frames(response)
        if found and found[-1].data and "id" in found[-1].data and "method" not in found[-1].data:
            return found
        last = next((one.id for one in reversed(found) if one.id), last)


def result_of(found: list[Frame]) -> Json:
    """The result at the end of a stream."""
    result: Json = found[-1].data["result"]
    return result


def hire(platform: Platform, organization: str, **settings: Any) -> Agent:
    """Make an agent of the organization that answers as the echo agent does."""
    body = {"id": "clerk", "name": "Clerk", "model": "echo:", "tools": ["echo_tool"]} | settings
    agent = Agent.model_validate(body)
    asyncio.run(platform.stores.agents.create(organization, agent))
    return agent


def run_ids(platform: Platform, organization: str) -> list[str]:
    """The runs of the organization."""
    query = platform.stores.agents._dynamo.query(
        platform.settings.runs_table, "pk = :pk", limit=100, pk=organization
    )
    return [item["sk"] for item in asyncio.run(query)]
