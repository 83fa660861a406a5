"""Retries of a model server that refused a request, for waits short enough for a person who is watching.

The run queue does longer waits (`RunControl.postpone`).
"""

import random

from millrace.errors import ProviderError

TRIES = 3
LONGEST_WAIT = 30.0


def wait_before_retry(error: ProviderError, attempt: int) -> float:
    """Return the seconds to wait: what the server asks for, but at least an exponential backoff, and at most
    `LONGEST_WAIT`, since a person is watching."""
    # Random, so that runs which were refused together do not return together.
    backoff: float = random.uniform(0.25, 0.5) * 2**attempt
    return min(max(error.retry_after or 0.0, backoff), LONGEST_WAIT)


def retry_notice(error: ProviderError, wait: float) -> str:
    """Return the notice for users."""
    asked = error.retry_after or 0.0
    longer = f"The server asks for {asked:,.0f} s; " if asked > wait else ""
    return f"{longer}{'trying' if longer else 'Trying'} again in {wait:.0f} s."
