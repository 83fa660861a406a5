"""Process events from the ingest queue through their pipelines, and fire windows and batches on time."""

import asyncio
import gc
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.pipelines.context import PipelineContext
    from millrace.services.pipelines.processing.queue_batch import process_queue
    from millrace.settings import Settings
    from millrace.telemetry import logs

    pipelines = PipelineContext.connect(Settings.from_environment())
    pipelines.warm("s3")
    gc.set_threshold(10_000, 10, 10)  # large batches create many objects that are not garbage


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an SQS batch, and report each message that failed."""
    return asyncio.run(process_queue(pipelines, event))
