"""Helpers to view the command center."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.sse import Sent, read_events

STREAM = "/api/command-center/stream"


@contextmanager
def viewing(client: httpx.Client, **query: Any) -> Iterator[Iterator[Sent]]:
    """The events as they come; once inside, the viewer is connected. Heartbeats with an id come too."""
    with client.stream("GET", STREAM, params=query) as response:
        assert response.status_code == 200, response.read()
        events = read_events(response.iter_lines())
        assert next(events).data["type"] == "heartbeat"
        yield events


def until(events: Iterator[Sent], kind: str, times: int = 1) -> list[Sent]:
    """Return the events up to the given number of events of a type, heartbeats left out."""
    found: list[Sent] = []
    for event in events:
        if event.data["type"] != "heartbeat":
            found.append(event)
        times -= event.data["type"] == kind
        if not times:
            return found
    raise AssertionError(f"the stream ended before {kind}: {[one.data['type'] for one in found]}")


def get(client: httpx.Client, path: str, **query: Any) -> httpx.Response:
    """A GET, for tests that are coroutines because they record beside it."""
    return client.get(path, params=query or None)


@contextmanager
def resuming(client: httpx.Client, last_event_id: str | None, url: str = STREAM) -> Iterator[Iterator[Sent]]:
    """The events as `EventSource` gets them when it comes back, from the first frame on."""
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200, response.read()
        yield read_events(response.iter_lines())
