"""Push task updates from the push queue to A2A clients."""

import asyncio
from typing import Any

from millrace.startup import starting

with starting():
    from millrace.protocols.a2a.notifications import notifications
    from millrace.services.tasks.notify import TaskNotifier
    from millrace.settings import Settings
    from millrace.telemetry import logs

    notifier = TaskNotifier.connect(Settings.from_environment(), notifications)


@logs.invocations
def handler(event: dict[str, Any], context: Any) -> Any:
    """Handle an SQS batch, and report each message that failed."""
    return asyncio.run(notifier(event, context.get_remaining_time_in_millis() / 1000))
