"""The smoothness of the live page with many runs, by the browser's own trace.

python -m tests.web.frames --runs 50 --seconds 10

The feed is this script's: each run tells its progress and a tool a few times a second, as the command center
does. The figures are of this machine; nothing is asserted.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.web.backend import BackendThread
from tests.web.center import CenterBackend
from tests.web.conftest import ARGUMENTS

AGENTS = 8
TOOLS = ("search", "calculator", "http_fetch", "database", "mail")
Json = dict[str, Any]


class Feed:
    """Events of so many runs, each step of each run a few times a second."""

    def __init__(self, runs: int) -> None:
        self.runs, self.number = runs, 0

    def event(self, run: int, kind: str, /, **data: Any) -> str:
        self.number += 1
        about = {
            "id": f"run_{run}:{self.number}",
            "type": f"run:{kind}",
            "time": now(),
            "runId": f"run_{run}",
            "agentId": f"agent-{run % AGENTS}",
            "agentName": f"Agent {run % AGENTS}",
            "conversationId": f"c{run}",
        }
        return f"id: {self.number}\ndata: {json.dumps(about | data)}\n\n"

    async def events(self) -> AsyncIterator[str]:
        tokens = [0] * self.runs
        for run in range(self.runs):
            yield self.event(run, "started", status="running", run={"startedAt": now(), "model": "demo:"})
        while True:
            for run in range(self.runs):
                await asyncio.sleep(1 / (3 * self.runs))
                tool = TOOLS[(run + self.number) % len(TOOLS)]
                tokens[run] += random.randint(10, 60)
                yield self.event(run, "tool_started", tool=tool)
                yield self.event(run, "progress", tokens=tokens[run], cost=tokens[run] / 1e5)
                yield self.event(run, "tool_completed", tool=tool, ok=True)


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Watched(CenterBackend):
    """A command center whose feed is this script's."""

    feed: Feed

    def watched(self, after: int) -> AsyncIterator[str]:
        return self.feed.events()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    print(measured_frames(given.runs, given.seconds))


def measured_frames(runs: int, seconds: float) -> str:
    """A sentence about the time between frames while so many runs tell of themselves."""
    thread = BackendThread(Watched)
    assert isinstance(thread.backend, Watched)
    thread.backend.feed = Feed(runs)
    with thread as backend, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(base_url=backend.url, viewport={"width": 1280, "height": 900})
        page.goto("/live")
        page.locator(".run-card").nth(min(runs, 60) - 1).wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        began = thread.backend.feed.number
        frames = traced(page, seconds)
        events = thread.backend.feed.number - began
        browser.close()
    return report(frames, seconds, f"Live with {runs} runs and {events / seconds:.0f} events a second")


def traced(page: Page, seconds: float) -> list[float]:
    """The milliseconds between the frames that the browser drew."""
    session = page.context.new_cdp_session(page)
    times = sorted(
        event["ts"] / 1000 for event in trace(session, page, seconds) if event["name"] == "DrawFrame"
    )
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def trace(session: CDPSession, page: Page, seconds: float) -> list[Json]:
    found: list[Json] = []
    done = threading.Event()
    session.on("Tracing.dataCollected", lambda data: found.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.set())
    categories = ["disabled-by-default-devtools.timeline.frame", "devtools.timeline.frame"]
    session.send(
        "Tracing.start", {"traceConfig": {"includedCategories": categories}, "transferMode": "ReportEvents"}
    )
    page.wait_for_timeout(seconds * 1000)
    session.send("Tracing.end")
    while not done.is_set():
        page.wait_for_timeout(50)
    return found


def report(frames: list[float], seconds: float, what: str) -> str:
    ordered = sorted(frames)
    rate, middle = len(frames) / seconds, statistics.median(ordered)
    tail = f"95th percentile {ordered[int(len(ordered) * 0.95)]:.1f} ms, longest {ordered[-1]:.1f} ms"
    return f"{what}: {rate:.1f} frames a second; between two a median of {middle:.1f} ms, {tail}."


if __name__ == "__main__":
    main()
