"""Records what happens for the command center, from the record queue, and exports runs as traces, from the
trace queue."""

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
        from millrace.services.traces.export import TraceExporter  # and protobuf, which others do not need

        exporter = TraceExporter(settings, recorder.stores)
    # Each takes some 100 ms of CPU to make, for which the first batch would wait.
    recorder.stores.aws.client("dynamodb")
    recorder.stores.aws.client("events")


@logs.invocations
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SQS batch of one of the two queues; what failed is reported item by item."""
    if exporter and exporter.takes(event):
        return asyncio.run(exporter.export(event, context.get_remaining_time_in_millis() / 1000))
    return asyncio.run(record_batch(recorder, event))
