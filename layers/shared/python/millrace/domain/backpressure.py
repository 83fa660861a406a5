"""How near a pipeline is to falling behind for good, from 0 to 1:

    max(lag / target lag, depth / (drain rate x target lag), throttled / attempts)

The depth is that of the queues which all pipelines share, so each feels what holds them up.
"""

from collections.abc import Iterable
from dataclasses import dataclass

TARGET_LAG_MS = 30_000
REFUSE_AT = 0.95
"""From here on nothing more is taken in over HTTP."""
LEAST_ATTEMPTS = 20
"""A single 429 on a quiet day is no pressure."""
IDLE_PER_SECOND = 100.0
"""What a queue that is not behind could drain at least: it drains only what comes."""
BEHIND_MS = 5_000
_LEAST_PER_SECOND = 0.1


@dataclass(frozen=True, slots=True)
class Drain:
    """How fast messages were taken from a queue in the last minute, and how late on average."""

    per_second: float = 0.0
    lag_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Messages per second that the queue can be drained at, as far as one knows."""
        if self.lag_ms >= BEHIND_MS:
            return max(self.per_second, _LEAST_PER_SECOND)
        return max(self.per_second, IDLE_PER_SECOND)


def drain_of(taken: Iterable[tuple[int, int, int]], now: int) -> Drain:
    """From what was taken: (start in epoch ms, messages, sum of their lags in ms). The rate is that since the
    first of these, so that a burst after a silence is not measured by the silence."""
    entries = [entry for entry in taken if entry[1]]
    messages = sum(count for _, count, _ in entries)
    if not messages:
        return Drain()
    seconds = max(now - min(start for start, _, _ in entries), 1_000) / 1000
    return Drain(messages / seconds, sum(lag for _, _, lag in entries) / messages)


def queue_pressure(depth: int, drain: Drain) -> float:
    """The time that draining takes, against the target."""
    return depth / (drain.rate * TARGET_LAG_MS / 1000)


def backpressure(lag_ms: float, queues: float, throttled: int, attempts: int) -> float:
    """`queues` is the highest `queue_pressure`; `throttled` of `attempts` deliveries were answered with
    "fewer requests"."""
    refused = throttled / max(attempts, LEAST_ATTEMPTS)
    return round(min(max(lag_ms / TARGET_LAG_MS, queues, refused, 0.0), 1.0), 3)
