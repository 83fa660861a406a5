"""Continues runs whose process is gone or was at the end of its time, from the run queue."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.runs.continue_batch import RunContinuer
    from millrace.settings import Settings
    from millrace.telemetry import logs

    continuer = RunContinuer.connect(Settings.from_environment())


@logs.invocations
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SQS batch; what could not be taken is reported item by item."""
    return asyncio.run(continuer(event, context.get_remaining_time_in_millis() / 1000))
