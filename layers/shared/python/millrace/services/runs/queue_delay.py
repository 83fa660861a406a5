"""The time for which a run leaves its process when its model's server is throttled or down."""

from millrace.errors import ProviderError

QUEUE_SECONDS, LONGEST_QUEUE_SECONDS = 15.0, 900.0
"""How long a run waits at first for a model that is throttled or down, and at most: an SQS delay."""


def queue_delay(error: ProviderError, queued: int) -> float:
    """Seconds until the model is asked again: what its server asks for, at least twice as long each time."""
    # The tenth power is far above the longest wait; a run that is queued for long would overflow a float.
    backoff: float = QUEUE_SECONDS * 2 ** min(queued, 10)
    return min(max(error.retry_after or 0.0, backoff), LONGEST_QUEUE_SECONDS)
