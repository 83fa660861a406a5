"""Every minute: timers that no queue could hold so long, windows whose timer was lost, and pipelines under
pressure."""

import asyncio
from typing import Any

from millrace.services.pipelines.line import Line
from millrace.services.pipelines.pressure import Pressure, tell_pressure
from millrace.services.pipelines.windows import sweep_all
from millrace.settings import Settings
from millrace.stores.bus import EventBus

settings = Settings.from_environment()
line = Line.connect(settings)
line.warm()
bus = EventBus(line.aws, settings.bus_name)
pressure = Pressure(line)


async def sweep() -> dict[str, int]:
    """How many timers were sent, and of how many pipelines the backpressure was told."""
    return {"timers": await sweep_all(line), "pressures": await tell_pressure(line, pressure, bus)}


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """A tick of the schedule."""
    return asyncio.run(sweep())
