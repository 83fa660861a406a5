"""Every minute, send timers that are too long for a queue, fire windows whose timer was lost, and report
pipelines under backpressure."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.pipelines.backpressure import Backpressure
    from millrace.services.pipelines.context import PipelineContext
    from millrace.services.pipelines.processing.minute import every_minute
    from millrace.settings import Settings
    from millrace.stores.bus import EventBus
    from millrace.telemetry import logs

    settings = Settings.from_environment()
    pipelines = PipelineContext.connect(settings)
    pipelines.warm()
    bus = EventBus(pipelines.aws, settings.bus_name)
    backpressure = Backpressure(pipelines)


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Handle a tick of the schedule. Return how many timers were sent and how many pipelines reported."""
    return asyncio.run(every_minute(pipelines, backpressure, bus))
