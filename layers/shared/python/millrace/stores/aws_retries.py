"""Retries of AWS calls and the delays before them, as in botocore's standard retry mode.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import random
from functools import cached_property
from typing import Any

from msgspec import Struct

ATTEMPTS = 5
"""As many as botocore makes with the settings of `stores.aws`."""
_LONGEST, _LONGEST_EXTRA = 20.0, 5.0
"""The longest delay in seconds, and the most that a service may add to one."""
_THROTTLED_SCALE, _THROTTLED_COST = 1.0, 5
_SCALES, _OTHER_SCALE, _COST = {"dynamodb": 0.025}, 0.05, 14


class Failure(Struct, frozen=True):
    """A failure after which the same request may succeed. `retry_after` is the delay in milliseconds that the
    answer asks for, or empty."""

    throttled: bool = False
    retry_after: str = ""

    @property
    def cost(self) -> int:
        """The cost of a retry in botocore's retry quota."""
        return _THROTTLED_COST if self.throttled else _COST


class Retries:
    """The retries of one client. They add load to a service that is down, so botocore's quota bounds them.
    Threads may share it."""

    def __init__(self, service: str) -> None:
        self._scale = _SCALES.get(service, _OTHER_SCALE)

    def delay(self, failure: Failure, attempt: int) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none. `attempt` counts from
        0 and is the one that failed."""
        if attempt + 1 >= ATTEMPTS or not self._quota.acquire(failure.cost):
            return None
        scale: float = _THROTTLED_SCALE if failure.throttled else self._scale
        delay = random.random() * min(scale * (1 << attempt), _LONGEST)
        asked = int(failure.retry_after) / 1000 if failure.retry_after.isdecimal() else 0.0
        return max(delay, min(asked, delay + _LONGEST_EXTRA))

    def succeeded(self, failure: Failure | None) -> None:
        """Note a call that succeeded; `failure` is its last one, if any."""
        if "_quota" in vars(self):  # exists since the first failure
            self._quota.release(failure.cost if failure else 1)

    @cached_property
    def _quota(self) -> Any:
        from botocore.retries.quota import RetryQuota

        return RetryQuota()
