"""Takes events from the ingest queue through their pipelines."""

import asyncio
import gc
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.pipelines.context import PipelineContext
    from millrace.services.pipelines.processing.batch import transform_batch
    from millrace.settings import Settings
    from millrace.telemetry import logs

    pipelines = PipelineContext.connect(Settings.from_environment())
    pipelines.warm()
    gc.set_threshold(10_000, 10, 10)  # large batches make much that is no garbage either


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An SQS batch; what failed is reported item by item."""
    return asyncio.run(transform_batch(pipelines, event))
