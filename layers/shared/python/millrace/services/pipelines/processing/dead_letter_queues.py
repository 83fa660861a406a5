"""The number of messages in the stack's dead-letter queues, for a single alarm.

An alarm for each queue would cost ten times as much as reading their attributes.
"""

import asyncio

from millrace.services.pipelines.context import PipelineContext
from millrace.stores.pipeline_metrics import MINUTE_MS
from millrace.stores.queues import Queue

EVERY_MINUTES = 5


async def report_dead_letter_queues(context: PipelineContext) -> int:
    """Report how many messages wait in dead-letter queues, and return their number.

    Runs every minute, but reads the queues only every fifth. Raises `Unavailable`.
    """
    if context.clock() // MINUTE_MS % EVERY_MINUTES:
        return 0
    urls = [url for url in context.settings.dead_letter_queue_urls.split(",") if url]
    queues = [Queue(context.aws, url) for url in urls]
    counts = await asyncio.gather(*(asyncio.to_thread(queue.waiting) for queue in queues))
    found = {queue.name: count for queue, count in zip(queues, counts, strict=True) if count}
    context.meter.dead_letter_queues(found)
    return sum(found.values())
