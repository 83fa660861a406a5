"""A batch of the ingest queue, which events and timers share: a queue of their own would cost its polling."""

import asyncio
from typing import Any

from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.batch import transform_batch
from millrace.services.pipelines.queue_messages import is_timer

Json = dict[str, Any]


async def process_queue(context: PipelineContext, batch: Json) -> Json:
    """Take an SQS event; return `{"batchItemFailures": [{"itemIdentifier"}]}`. Events and timers are taken
    side by side, so that neither waits for the other."""
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
    # Imported with the first timer: it brings Powertools' Batch, for which a cold start would wait.
    from millrace.services.pipelines.processing.timers import close_batch

    return dict(await close_batch(context, batch))
