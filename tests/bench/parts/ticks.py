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
from millrace.stores.alerts import AlertStore
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.bench._curves import TIMES, curves_section
from tests.bench._metering import Meter, counting
from tests.bench._peers import ROOT
from tests.bench.conversation import LocalAws

MOST_SECONDS = 60
TURNS = 3
QUIET_MS = 2 * 3_600_000
TITLES = {
    "calls": (
        "calls of the check of each minute, by active organizations",
        "calls",
        "Each organization that had an event in the last hour is checked for silent runs and for alerts "
        "whose window has passed. They are listed by one query, which costs a read unit for 80 of them.",
    ),
    "quiet": (
        "calls of that check, by organizations without an event in the last hour",
        "calls",
        "A process checks such an organization once more, and then only when it is noted as active again, or "
        "has an active run ([ADR 65](adr/0065-quiet-organizations.md)).",
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
    found: dict[str, list[float]] = {name: [] for name in TITLES}
    await _tick(recorder)  # to warm it; the first one looks at all
    for organizations in TIMES:
        await _note(recorder, organizations, recorder.clock())
        calls, cpu = await _ticks(recorder, meter)
        found["calls"].append(calls)
        found["cpu"].append(cpu)
        await _note(recorder, organizations, recorder.clock() - QUIET_MS)
        await _tick(recorder)  # sees that nothing is left
        found["quiet"].append((await _ticks(recorder, meter))[0])
    aws.close()
    return found


async def _note(recorder: Recorder, organizations: int, at: int) -> None:
    alerts = AlertStore(recorder.stores.aws, recorder.alerts.table)  # one that has noted nothing yet
    for number in range(organizations):
        await alerts.note_active(f"organization-{number}", at)


async def _ticks(recorder: Recorder, meter: Meter) -> tuple[float, float]:
    """Calls and milliseconds of CPU of a tick."""
    meter.clear()
    cpu = time.process_time()
    for _ in range(TURNS):
        await _tick(recorder)
    return meter.calls.total() / TURNS, (time.process_time() - cpu) / TURNS * 1e3


async def _tick(recorder: Recorder) -> None:
    batch: dict[str, Any] = {"Records": [{"messageId": "tick", "body": f'{{"source":"{TICK}"}}'}]}
    if (await record_batch(recorder, batch))["batchItemFailures"]:
        raise RuntimeError("the tick failed")


def section(found: dict[str, list[float]]) -> list[str]:
    """The curves."""
    return curves_section("organizations", "Organizations", found, TITLES)
