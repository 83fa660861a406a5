"""Events and senders for tests."""

from typing import Any

import httpx

from millrace.destinations.results import Dead, Delivered, Retry, SendReport
from millrace.destinations.sending import HttpSender, Post
from millrace.destinations.wire import Answer, HttpDestination, Request
from millrace.net.fetch import fetch
from millrace.pipelines.event import Event

NOW = 1_790_000_000_000


def event(id: str = "e1", time: int = NOW, **payload: Any) -> Event:
    return Event(payload, id, "agents", "agent.completed", time, time, "pipe")


async def always(behind: int = 0) -> int:
    """Everybody's turn."""
    return 0


def posting(client: httpx.AsyncClient) -> Post:
    async def post(request: Request) -> Answer:
        found = await fetch(
            client, request.method, request.url, headers=dict(request.headers), content=request.content
        )
        return Answer(found.status, found.headers, found.body)

    return post


async def send(destination: HttpDestination, client: httpx.AsyncClient, *events: Event) -> SendReport:
    return await HttpSender(destination, posting(client), lambda: NOW).send(events, always)


def kinds(sent: SendReport) -> list[str]:
    """`delivered`, or `dead:code`, or `retry:code` for each event."""
    return [_kind(result) for result in sent.results]


def _kind(result: object) -> str:
    match result:
        case Delivered():
            return "delivered"
        case Dead(failure):
            return f"dead:{failure.code}"
        case Retry(failure):
            return f"retry:{failure.code}"
    return "wait"
