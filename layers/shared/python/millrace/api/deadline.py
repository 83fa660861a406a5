"""The deadline of the function that answers a request."""

import time
from typing import Any

from starlette.requests import Request


def deadline(request: Request) -> float | None:
    """Return the end of the function's time on the monotonic clock; None if it is not limited."""
    context: Any = request.scope.get("aws.context")
    if context is None:
        return None
    return time.monotonic() + float(context.get_remaining_time_in_millis()) / 1000
