"""Put changes of database rows on the bus, from DynamoDB Streams and, each minute, from an outbox."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.pipelines.intake.change_capture import Capture, CaptureSettings
    from millrace.telemetry import logs

    capture = Capture(CaptureSettings.from_environment())
    capture.warm()


@logs.invocations
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of a stream, and report its first failure; or handle a tick of the schedule."""
    return asyncio.run(capture(event, context.get_remaining_time_in_millis() / 1000))
