"""The rules for retries: what may be sent again, when, and how often."""

import random
from dataclasses import dataclass

import httpx

from millrace.client.errors import APIError

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures of requests that the server has not seen."""
LASTING = frozenset({"too_many_rules", "too_many_waiting", "not_configured"})
"""Codes with the status 429 or 503 that do not change by waiting."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Timeouts and retries, in seconds.

    `timeout` is for an answer that is one document, `opening` for the beginning of a stream, and `silence` is
    the longest time in which a stream may send nothing: the server sends a heartbeat every 5 seconds.
    `attempts` is the maximum number of consecutive attempts without any result. If `Retry-After` exceeds
    `longest_retry_after`, the client does not wait.
    """

    timeout: float = 60.0
    opening: float = 30.0
    silence: float = 15.0
    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 60.0

    def wait(self, failures: int, error: Exception | None = None) -> float:
        """Return the seconds before the next attempt after this many consecutive failures: `first_wait` *
        2^n, at most `longest_wait`, reduced by up to half at random so that clients do not return together;
        at least what the server asks for."""
        base = min(self.first_wait * 2.0 ** min(failures, 10), self.longest_wait)
        wanted = error.retry_after if isinstance(error, APIError) else None
        return max(base * random.uniform(0.5, 1.0), wanted or 0.0)

    def may_pass(self, error: APIError) -> bool:
        """Return whether waiting may help. It does not if the error is the end of a run, which would be the
        same the next time."""
        if error.code in LASTING or (error.run_id and error.code != "run_continues"):
            return False
        if (error.retry_after or 0) > self.longest_retry_after:
            return False
        bare = error.code.startswith("http_")
        return error.status in (429, 503, 504) or (bare and error.status in (408, 500, 502))
