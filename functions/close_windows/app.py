"""Fires windows and batches whose time has come, from the timer queue."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.pipelines.context import PipelineContext
    from millrace.services.pipelines.processing.timers import close_batch
    from millrace.settings import Settings
    from millrace.telemetry import logs

    pipelines = PipelineContext.connect(Settings.from_environment())
    pipelines.warm()


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An SQS batch; what failed is reported item by item."""
    return asyncio.run(close_batch(pipelines, event))
