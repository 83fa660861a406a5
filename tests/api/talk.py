"""Helpers to talk to the conversation app."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.sse import Sent, read_events

STREAM = {"accept": "text/event-stream"}


def say(chat: httpx.Client, content: str, conversation: str = "c1", **body: Any) -> list[Sent]:
    """Send a message to the echo agent and reads the whole stream."""
    with saying(chat, content, conversation, **body) as events:
        return list(events)


@contextmanager
def saying(
    chat: httpx.Client, content: str, conversation: str = "c1", **body: Any
) -> Iterator[Iterator[Sent]]:
    """Send a message to the echo agent; the events as they come."""
    sent = {"agentId": "echo", "content": content} | body
    path = f"/api/conversations/{conversation}/messages"
    with chat.stream("POST", path, json=sent, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        yield read_events(response.iter_lines())


def attach(chat: httpx.Client, path: str, **headers: str) -> list[Sent]:
    """Read a stream to its end; empty for a 204."""
    with chat.stream("GET", path, headers=STREAM | headers) as response:
        assert response.status_code in (200, 204), response.read()
        return list(read_events(response.iter_lines()))


def until_ends(chat: httpx.Client, path: str, ends: int, **headers: str) -> list[Sent]:
    """Read a stream until so many runs have ended in it; heartbeats left out."""
    found: list[Sent] = []
    with chat.stream("GET", path, headers=STREAM | headers) as response:
        assert response.status_code == 200, response.read()
        for event in read_events(response.iter_lines()):
            if event.data["type"] != "heartbeat":
                found.append(event)
            ends -= event.data["type"] in ("done", "error") and "parent" not in event.data
            if not ends:
                return found
    raise AssertionError(f"the stream ended after {[event.data['type'] for event in found]}")


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose shape is checked."""
    error = response.json()["error"]
    assert error["message"]
    assert error["requestId"]
    return response.status_code, error["code"]
