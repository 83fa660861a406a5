"""Every minute: timers that no queue could hold so long, windows whose timer was lost, and pipelines under
pressure."""

import asyncio
from typing import Any

from millrace.services.pipelines.line import Line
from millrace.services.pipelines.minute import every_minute
from millrace.services.pipelines.pressure import Pressure
from millrace.settings import Settings
from millrace.stores.bus import EventBus
from millrace.telemetry import logs

settings = Settings.from_environment()
line = Line.connect(settings)
line.warm()
bus = EventBus(line.aws, settings.bus_name)
pressure = Pressure(line)


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """A tick of the schedule: how many timers were sent, and backpressures reported."""
    return asyncio.run(every_minute(line, pressure, bus))
