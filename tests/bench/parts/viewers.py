"""Viewers of the command center: what each of them asks of AWS while nothing happens, and for an event, as
they become more."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from local.deploy import deploy
from local.ministack import MiniStack
from local.template import read_template
from millrace.domain.clock import iso, now_ms
from millrace.domain.command_center import Filters
from millrace.domain.events import Event, LogEntry
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.view import FAST_POLL, Viewer, watch
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.bench._curves import TIMES, curves_section
from tests.bench._peers import ROOT
from tests.bench._table import number, table

MOST_SECONDS = 120
VIEWERS = 100
SETTLES = 11.0
"""Seconds after which looks are as far apart as they get."""
WATCHED = 10.0
EVENTS = 20
"""One in each interval of the fastest polling."""
TITLES = {
    "calls": (
        "calls of AWS for an event, by viewers of an organization",
        "calls",
        "Viewers know nothing of each other: each polls the organization's log by itself, ten times a second "
        "while events arrive. So a viewer costs the same whoever else watches, and all of them together as "
        "many times that.",
    ),
    "cpu": (
        "CPU of a viewer for an event, by viewers of an organization",
        "ms",
        "A read or two of the log, and a frame. On Lambda each viewer has an environment of its own; here "
        "all share one process and one emulator, which answers a hundred of them more slowly, so that more "
        "polls fall between two events. The next limit is the log's partition with 3,000 reads each second: "
        "300 viewers that see events all the time, or 10,000 that wait for some.",
    ),
}


class CountedAws(Aws):
    """Production's clients, and the number of their calls."""

    calls = 0

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        return await super().call(service, operation, **parameters)


def measure() -> dict[str, Any]:
    """Calls of AWS and milliseconds of CPU for each idle viewer and second, and the curves. Changes this
    process's environment."""
    with MiniStack() as emulator:
        arguments = emulator.client_arguments()
        deployment = deploy(read_template(ROOT / "template.yaml"), arguments)
        settings = Settings.from_environment(deployment.functions["CommandCenterFunction"].environment)
        os.environ |= {
            "AWS_ENDPOINT_URL": arguments["endpoint_url"],
            "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        }
        return asyncio.run(_measured(settings, CountedAws(arguments["region_name"])))


async def _measured(settings: Settings, aws: CountedAws) -> dict[str, Any]:
    recorder = Recorder.connect(settings, Stores.connect(settings, aws))
    found = await _idle(recorder, aws)
    nobody = await _for_events(recorder, aws, 0)
    curves: dict[str, list[float]] = {"calls": [], "cpu": []}
    for viewers in TIMES:
        calls, cpu = await _for_events(recorder, aws, viewers)
        curves["calls"].append((calls - nobody[0]) / viewers / EVENTS)
        curves["cpu"].append((cpu - nobody[1]) / viewers / EVENTS * 1e3)
    aws.close()
    return found | {"curves": curves}


async def _idle(recorder: Recorder, aws: CountedAws) -> dict[str, float]:
    async with _watching(recorder, [f"organization-{at}" for at in range(VIEWERS)]):
        await asyncio.sleep(SETTLES)
        calls, cpu, began = aws.calls, time.process_time(), time.monotonic()
        await asyncio.sleep(WATCHED)
        viewer_seconds = VIEWERS * (time.monotonic() - began)
        spent, asked = time.process_time() - cpu, aws.calls - calls
    return {"calls_per_second": asked / viewer_seconds, "cpu_ms_per_second": spent / viewer_seconds * 1e3}


async def _for_events(recorder: Recorder, aws: CountedAws, viewers: int) -> tuple[int, float]:
    """Calls, and seconds of CPU, while so many viewers of an organization see its events."""
    organization = f"watched-{viewers}"
    async with _watching(recorder, [organization] * viewers) as audience:
        calls, cpu = aws.calls, time.process_time()
        for at in range(EVENTS):
            await record(recorder, organization, [_event(organization, at)])
            await asyncio.sleep(FAST_POLL)
        await audience.all_have(EVENTS)
        return aws.calls - calls, time.process_time() - cpu


def _event(organization: str, at: int) -> Event:
    return {
        "id": f"run_{at}:1",
        "type": "run:tool_started",
        "time": iso(now_ms()),
        "organization": organization,
        "runId": f"run_{at}",
        "agentId": "support",
        "tool": "search",
    }


class Audience:
    """The events that each of some viewers has seen."""

    def __init__(self, viewers: int) -> None:
        self._seen = [-1] * viewers
        self._changed = asyncio.Event()

    def add(self, viewer: int, entries: list[LogEntry]) -> None:
        """A viewer was sent a frame. The first one, a heartbeat, says that it is served."""
        events = sum(entry.event["type"] != "heartbeat" for entry in entries)
        self._seen[viewer] = max(self._seen[viewer], 0) + events
        self._changed.set()

    async def all_have(self, events: int) -> None:
        """Wait until every viewer has seen so many. A part that takes too long is ended from outside."""
        while any(seen < events for seen in self._seen):
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def _watching(recorder: Recorder, organizations: list[str]) -> AsyncGenerator[Audience, None]:
    """A viewer of each of these, all of whom are served from the beginning."""
    audience = Audience(len(organizations))

    async def sit(at: int) -> None:
        async for entries in watch(recorder, organizations[at], Viewer(Filters()), None):
            audience.add(at, entries)

    tasks = [asyncio.create_task(sit(at)) for at in range(len(organizations))]
    try:
        await audience.all_have(0)
        yield audience
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def section(found: dict[str, Any]) -> list[str]:
    """The calls of an idle viewer, and the curves."""
    rows = [
        ["calls of AWS each second", number(found["calls_per_second"])],
        ["CPU each second, ms", number(found["cpu_ms_per_second"])],
    ]
    return [
        "### An idle viewer",
        "",
        f"The mean of {VIEWERS} viewers, after {SETTLES:.0f} seconds without an event. A viewer polls every "
        "0.1 s while events arrive, and less and less often, down to every 3.3 s, while there are none.",
        "",
        *table(["", ""], rows),
        *curves_section("viewers", "Viewers", found["curves"], TITLES),
    ]
