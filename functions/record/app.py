"""Record events from the record queue for the command center, and export runs as traces, from the trace
queue."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.command_center.record import Recorder
    from millrace.services.command_center.record_batch import record_batch
    from millrace.settings import Settings
    from millrace.telemetry import logs

    settings = Settings.from_environment()
    recorder = Recorder.connect(settings)
    exporter = None
    if settings.exports_traces:
        from millrace.services.traces.export import (
            TraceExporter,
        )  # imports protobuf, which deployments without traces do not need

        exporter = TraceExporter(settings, recorder.stores)
    # Creating each takes some 100 ms of CPU, for which the first batch would have to wait.
    recorder.stores.aws.client("dynamodb")
    recorder.stores.aws.client("events")


@logs.invocations
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an SQS batch of one of the two queues, and report each message that failed."""
    if exporter and exporter.takes(event):
        return asyncio.run(exporter.export(event, context.get_remaining_time_in_millis() / 1000))
    return asyncio.run(record_batch(recorder, event))
