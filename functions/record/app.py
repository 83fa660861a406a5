"""Records what happens for the command center, from the record queue."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.command_center.record import Recorder
    from millrace.services.command_center.record_batch import record_batch
    from millrace.settings import Settings
    from millrace.telemetry import logs

    recorder = Recorder.connect(Settings.from_environment())
    # Each takes some 100 ms of CPU to make, for which the first batch would wait.
    recorder.stores.aws.client("dynamodb")
    recorder.stores.aws.client("events")


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An SQS batch; what failed is reported item by item."""
    return asyncio.run(record_batch(recorder, event))
