"""The time for which a run leaves its process while its model's server is throttled or down."""

from millrace.errors import ProviderError

QUEUE_SECONDS, LONGEST_QUEUE_SECONDS = 15.0, 900.0
"""The initial and the maximum wait for a model that is throttled or down; the maximum is that of SQS."""


def queue_delay(error: ProviderError, queued: int) -> float:
    """Return the seconds until the next attempt: the server's request, or an exponential backoff if
    longer."""
    # The tenth power already exceeds the maximum, and a run that is queued for long would overflow a float.
    backoff: float = QUEUE_SECONDS * 2 ** min(queued, 10)
    return min(max(error.retry_after or 0.0, backoff), LONGEST_QUEUE_SECONDS)
