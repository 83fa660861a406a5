"""The demo pipeline of `make run`: each completed run of the dev organization becomes one small event.

Events are shown on the console and kept at `PATH` on the stack's own address.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

PATH = "/_local/events"
NAME = "Demo: completed runs"
_API = "/api/streaming/pipelines"
_SECONDS = 30.0
_KEPT = 100

Json = dict[str, Any]


class Received:
    """The last events received; `on_event` is called with each."""

    def __init__(self, on_event: Callable[[str], None]) -> None:
        self._events: deque[str] = deque(maxlen=_KEPT)
        self._on_event = on_event

    def add(self, body: Any) -> None:
        """Add a delivery's body: an event, or a list of events."""
        for event in body if isinstance(body, list) else [body]:
            text = json.dumps(event)
            self._events.append(text)
            self._on_event(text)

    def lines(self) -> list[str]:
        """Return one JSON document each, oldest first."""
        return list(self._events)


async def ensure_pipeline(url: str, token: str) -> None:
    """Create and start the pipeline.

    An existing one gets the stack's address, and otherwise stays as its owner configured it. Raises
    `httpx.HTTPError`.
    """
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_SECONDS) as api:
        found = await _find(api)
        if found is None:
            found = await _sent(api, "POST", _API, definition(url))
        elif found["state"] != "stopped":
            await _sent(api, "PUT", f"{_API}/{found['id']}", definition(url))
        if found["state"] == "created":
            await _sent(api, "POST", f"{_API}/{found['id']}/start")


def definition(url: str) -> Json:
    """Return the reference's example: filter, then map, with this machine as the destination."""
    kept = {"field": "status", "operator": "eq", "value": "completed"}
    expression = {"agent": "agentId", "tokens": "tokenUsage.total", "cost": "cost", "at": "completedAt"}
    return {
        "name": NAME,
        "source": {"type": "agent_execution"},
        "transforms": [
            {"type": "filter", "config": kept},
            {"type": "map", "config": {"expression": expression}},
        ],
        "destination": {"type": "webhook", "config": {"url": url + PATH}},
    }


async def _find(api: httpx.AsyncClient) -> Json | None:
    cursor: str | None = ""
    while cursor is not None:
        page = await _sent(api, "GET", f"{_API}?limit=100" + (f"&cursor={cursor}" if cursor else ""))
        found = [one for one in page["items"] if one["name"] == NAME]
        if found:
            return dict(found[0])
        cursor = page["nextCursor"]
    return None


async def _sent(api: httpx.AsyncClient, method: str, path: str, body: Json | None = None) -> Json:
    answer = await api.request(method, path, json=body)
    return dict(answer.raise_for_status().json())
