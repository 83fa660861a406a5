"""A batch of the ingest queue, which events and timers share, because a second queue would cost its
polling."""

import asyncio
from typing import Any

from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.batch import transform_batch
from millrace.services.pipelines.queue_messages import is_timer

Json = dict[str, Any]


async def process_queue(context: PipelineContext, batch: Json) -> Json:
    """Process an SQS event, and return `{"batchItemFailures": [{"itemIdentifier"}]}`.

    Events and timers are processed concurrently, so that neither waits for the other.
    """
    timers = [record for record in batch["Records"] if is_timer(record["body"])]
    events = [record for record in batch["Records"] if not is_timer(record["body"])]
    parts = []
    if events:
        parts.append(transform_batch(context, {"Records": events}))
    if timers:
        parts.append(_closed(context, {"Records": timers}))
    answers = await asyncio.gather(*parts)
    return {"batchItemFailures": [failed for one in answers for failed in one["batchItemFailures"]]}


async def _closed(context: PipelineContext, batch: Json) -> Json:
    # Imported with the first timer: it imports Powertools' Batch, which would slow down cold starts.
    from millrace.services.pipelines.processing.timers import close_batch

    return dict(await close_batch(context, batch))
