"""Reconnecting to an answer: until the first event that was missed, by the length of its log."""

import asyncio
import statistics
import time
import uuid
from typing import Any

import httpx

from tests.bench._curves import TIMES, curves_section
from tests.bench._driving import Running, ask, serving
from tests.bench._ours import ours
from tests.bench._side import model_server, rounds
from tests.sse import read_events

MOST_SECONDS = 60
ROUNDS = 10
TOKENS = 100
MISSED = 10
TITLES = {
    "resume": (
        "reconnect to the first missed event, by 100 tokens of the log",
        "ms",
        "The log is read by key, from the missed event on. Earlier events are not read.",
    ),
}


def measure() -> dict[str, Any]:
    """Median milliseconds from the request to the first event behind the one that was seen last, near the
    end of the log."""
    values = []
    with model_server() as model_url:
        for times in TIMES:
            model = f"fake-tokens={TOKENS * times}"
            with ours(model_url, model) as own, serving(own, model_url, model) as running:
                asyncio.run(_served(running))
                values.append(_milliseconds(running))
    return {"resume": values}


async def _served(running: Running) -> None:
    await (await ask(running)).rest()


def _milliseconds(running: Running) -> float:
    headers = {**running.peer.headers, "Accept": "text/event-stream"}
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", headers=headers, timeout=60) as client:
        path = running.peer.path.replace("{conversation}", uuid.uuid4().hex)
        with client.stream("POST", path, json=dict(running.peer.body)) as response:
            last = [event for event in read_events(response.iter_lines()) if event.id][-1]
        back = {"Last-Event-ID": f"{last.run_id}.{last.seq - MISSED}"}
        times = [_to_first(client, f"/api/runs/{last.run_id}/stream", back) for _ in range(rounds(ROUNDS))]
    return statistics.median(times) * 1e3


def _to_first(client: httpx.Client, path: str, headers: dict[str, str]) -> float:
    began = time.monotonic()
    with client.stream("GET", path, headers=headers) as response:
        events = read_events(response.iter_lines())
        next(event for event in events if event.id)
        seconds = time.monotonic() - began
        if len([event for event in events if event.id]) != MISSED - 1:
            raise RuntimeError("the answer did not go on where it broke off")
    return seconds


def section(found: dict[str, Any]) -> list[str]:
    """The curve; and what others do."""
    return [
        "## Reconnecting",
        "",
        "Of the servers above, only langgraph can keep an answer when its connection is lost. Clients of the "
        "others have to ask the model again, and pay for it again.",
        "",
        *curves_section("resume", "Reconnecting by the length of the log", found, TITLES),
    ]
