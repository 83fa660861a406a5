"""Retries of a model server that refused a request, within the time that a person waits in front of it.

A longer wait is the run queue's (`RunControl.postpone`)."""

import random

from millrace.errors import ProviderError

TRIES = 3
LONGEST_WAIT = 30.0


def wait_before_retry(error: ProviderError, attempt: int) -> float:
    """Seconds: what the server asks for, at least an exponential backoff, at most `LONGEST_WAIT`, since a
    person is waiting."""
    # Random, so that runs which were refused together do not come back together.
    backoff: float = random.uniform(0.25, 0.5) * 2**attempt
    return min(max(error.retry_after or 0.0, backoff), LONGEST_WAIT)


def retry_notice(error: ProviderError, wait: float) -> str:
    """The words for people."""
    asked = error.retry_after or 0.0
    longer = f"The server asks for {asked:,.0f} s; " if asked > wait else ""
    return f"{longer}{'trying' if longer else 'Trying'} again in {wait:.0f} s."
