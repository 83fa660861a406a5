"""Continue runs from the run queue, whose process has died or has reached its time limit."""

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
    """Handle an SQS batch, and report each message that failed."""
    return asyncio.run(continuer(event, context.get_remaining_time_in_millis() / 1000))
