"""Viewers of the command center that see nothing new: what each of them asks of AWS."""

import asyncio
import time
from typing import Any

from local.deploy import deploy
from local.ministack import MiniStack
from local.template import read_template
from millrace.domain.command_center import Filters
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.view import Viewer, watch
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.bench._metering import Meter, counting
from tests.bench._peers import ROOT
from tests.bench._table import number, table
from tests.bench.conversation import LocalAws

MOST_SECONDS = 60
VIEWERS = 100
SETTLES = 11.0
"""Seconds after which looks are as far apart as they get."""
WATCHED = 10.0


def measure() -> dict[str, float]:
    """Calls of AWS and milliseconds of CPU for each viewer and second."""
    meter = Meter()
    with MiniStack() as emulator, counting(meter):
        deployment = deploy(read_template(ROOT / "template.yaml"), emulator.client_arguments())
        settings = Settings.from_environment(deployment.functions["CommandCenterFunction"].environment)
        return asyncio.run(_measured(settings, LocalAws(emulator), meter))


async def _measured(settings: Settings, aws: Aws, meter: Meter) -> dict[str, float]:
    recorder = Recorder.connect(settings, Stores.connect(settings, aws))

    async def sit(number: int) -> None:
        async for _ in watch(recorder, f"organization-{number}", Viewer(Filters()), None):
            pass

    tasks = [asyncio.create_task(sit(number)) for number in range(VIEWERS)]
    await asyncio.sleep(SETTLES)
    meter.clear()
    cpu, began = time.process_time(), time.monotonic()
    await asyncio.sleep(WATCHED)
    viewer_seconds = VIEWERS * (time.monotonic() - began)
    spent, calls = time.process_time() - cpu, meter.calls.total()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    aws.close()
    return {"calls_per_second": calls / viewer_seconds, "cpu_ms_per_second": spent / viewer_seconds * 1e3}


def section(found: dict[str, Any]) -> list[str]:
    """The calls of an idle viewer."""
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
    ]
