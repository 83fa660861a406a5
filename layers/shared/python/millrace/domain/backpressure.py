"""Backpressure: the risk that a pipeline falls behind for good, from 0 to 1:

    max(lag / target lag, depth / (drain rate x target lag), throttled / attempts)

The depth is that of the queues that all pipelines share. It and the lag count for a pipeline as far as they
are its own doing: by its own messages that wait, against the part of the depth that would be fair. So nobody
is refused because of somebody else's backlog, and who has none is under no pressure, however late it was.
"""

from collections.abc import Iterable

from msgspec import Struct

TARGET_LAG_MS = 30_000
REFUSE_AT = 0.95
"""From here on nothing more is taken in over HTTP."""
LEAST_ATTEMPTS = 20
"""A single 429 on a quiet day is no pressure."""
LEAST_WAITING = 20
"""Messages of a pipeline, of up to 200 events: fewer hold up nobody, and may wait behind somebody else's."""
IDLE_PER_SECOND = 100.0
"""Messages per second that a queue which is not behind can drain at least: it drains only what comes."""
BEHIND_MS = 5_000
_LEAST_PER_SECOND = 0.1


class Drain(Struct, frozen=True):
    """The rate at which a queue was drained in the last minute, and the average lag of its messages."""

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


def share_of(own: int, depth: int, pipelines: int) -> float:
    """Return a pipeline's share of what waits, from 0 to 1: `own` messages of `depth`, on a queue that so
    many pipelines use just now."""
    if own <= 0 or depth <= 0:
        return 0.0
    return min(own * max(pipelines, 1) / max(depth, own), own / LEAST_WAITING, 1.0)


def queue_backpressure(depth: int, drain: Drain) -> float:
    """The time that draining takes, against the target."""
    return depth / (drain.rate * TARGET_LAG_MS / 1000)


def backpressure_of(lag_ms: float, queues: float, throttled: int, attempts: int) -> float:
    """`queues` is the highest `queue_backpressure`; `throttled` of `attempts` deliveries were answered with
    "fewer requests"."""
    refused = throttled / max(attempts, LEAST_ATTEMPTS)
    return round(min(max(lag_ms / TARGET_LAG_MS, queues, refused, 0.0), 1.0), 3)
