"""The work of every minute. A part that fails does not stop the others."""

import asyncio

from millrace.services.pipelines.backpressure import Backpressure, report_backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.dead_letter_queues import report_dead_letter_queues
from millrace.services.pipelines.processing.sweep import sweep_all
from millrace.stores.bus import EventBus


async def every_minute(context: PipelineContext, backpressure: Backpressure, bus: EventBus) -> dict[str, int]:
    """Send due timers, report backpressure and dead letters, and return the number of each.

    Raises the failures of all parts together at the end, so that they count as errors of the function.
    """
    parts = {
        "timers": sweep_all(context),
        "backpressures": report_backpressure(context, backpressure, bus),
        "deadLetters": report_dead_letter_queues(context),
    }
    results = await asyncio.gather(*parts.values(), return_exceptions=True)
    failures = [result for result in results if isinstance(result, Exception)]
    if failures:
        raise ExceptionGroup("The sweep of this minute failed in part.", failures)
    return {name: result for name, result in zip(parts, results, strict=True) if isinstance(result, int)}
