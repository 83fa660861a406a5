"""The look of every minute at lost runs and alerts, as organizations become more."""

import asyncio
import time
from typing import Any

from local.deploy import deploy
from local.ministack import MiniStack
from local.template import read_template
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.record_batch import TICK, record_batch
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.bench._curves import TIMES, curves_section
from tests.bench._metering import Meter, counting
from tests.bench._peers import ROOT
from tests.bench.conversation import LocalAws

MOST_SECONDS = 60
TURNS = 3
TITLES = {
    "calls": (
        "calls of the check of each minute, by active organizations",
        "calls",
        "Each active organization is checked for silent runs and for alerts whose window has passed. They "
        "are listed by a scan of the small table of alerts.",
    ),
    "cpu": (
        "CPU of the check of each minute, by active organizations",
        "ms",
        "It is proportional to the calls. An invocation checks 300 organizations and passes the others on in "
        "messages, which `QueueConcurrency` functions process concurrently: two of them check about 5,000 "
        "active organizations in a minute.",
    ),
}


def measure() -> dict[str, list[float]]:
    """Calls and milliseconds of CPU of one tick, at each number of organizations."""
    meter = Meter()
    with MiniStack() as emulator, counting(meter):
        deployment = deploy(read_template(ROOT / "template.yaml"), emulator.client_arguments())
        settings = Settings.from_environment(deployment.functions["RecordFunction"].environment)
        return asyncio.run(_measured(settings, LocalAws(emulator), meter))


async def _measured(settings: Settings, aws: Aws, meter: Meter) -> dict[str, list[float]]:
    recorder = Recorder.connect(settings, Stores.connect(settings, aws))
    found: dict[str, list[float]] = {"calls": [], "cpu": []}
    active = 0
    await _tick(recorder)  # to warm it
    for organizations in TIMES:
        for number in range(active, organizations):
            await recorder.alerts.note_active(f"organization-{number}")
        active = organizations
        meter.clear()
        cpu = time.process_time()
        for _ in range(TURNS):
            await _tick(recorder)
        found["calls"].append(meter.calls.total() / TURNS)
        found["cpu"].append((time.process_time() - cpu) / TURNS * 1e3)
    aws.close()
    return found


async def _tick(recorder: Recorder) -> None:
    batch: dict[str, Any] = {"Records": [{"messageId": "tick", "body": f'{{"source":"{TICK}"}}'}]}
    if (await record_batch(recorder, batch))["batchItemFailures"]:
        raise RuntimeError("the tick failed")


def section(found: dict[str, list[float]]) -> list[str]:
    """The curves."""
    return curves_section("organizations", "Organizations", found, TITLES)
