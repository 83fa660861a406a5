"""Backpressure: the risk that a pipeline falls behind permanently, from 0 to 1:

    max(lag / target lag, depth / (drain rate x target lag), throttled / attempts)

The depth is that of the queues, which all pipelines share. Depth and lag count for a pipeline only as far as
it causes them: by the share of the waiting messages that are its own, compared with a fair share. So nobody
is refused because of somebody else's backlog, and a pipeline without one has no backpressure, however late
its events were.
"""

from collections.abc import Iterable

from msgspec import Struct

TARGET_LAG_MS = 30_000
REFUSE_AT = 0.95
"""From this value on, no more events are accepted over HTTP."""
LEAST_ATTEMPTS = 20
"""A single 429 on a quiet day does not count as backpressure."""
LEAST_WAITING = 20
"""The messages of a pipeline, of up to 200 events, below which it delays nobody, and may itself be waiting
behind others."""
IDLE_PER_SECOND = 100.0
"""The minimum rate in messages per second that a queue without a backlog is assumed to drain at, since the
measured rate is only that of arrivals."""
BEHIND_MS = 5_000
_LEAST_PER_SECOND = 0.1


class Drain(Struct, frozen=True):
    """The rate at which a queue was drained in the last minute, and the average lag of its messages."""

    per_second: float = 0.0
    lag_ms: float = 0.0

    @property
    def rate(self) -> float:
        """The messages per second at which the queue can be drained, as far as known."""
        if self.lag_ms >= BEHIND_MS:
            return max(self.per_second, _LEAST_PER_SECOND)
        return max(self.per_second, IDLE_PER_SECOND)


def drain_of(taken: Iterable[tuple[int, int, int]], now: int) -> Drain:
    """Return the drain from samples of received messages: (start in epoch ms, messages, sum of their lags in
    ms). The rate is measured from the first sample, so that a burst after a pause is not averaged with the
    pause."""
    entries = [entry for entry in taken if entry[1]]
    messages = sum(count for _, count, _ in entries)
    if not messages:
        return Drain()
    seconds = max(now - min(start for start, _, _ in entries), 1_000) / 1000
    return Drain(messages / seconds, sum(lag for _, _, lag in entries) / messages)


def share_of(own: int, depth: int, pipelines: int) -> float:
    """Return a pipeline's share of what waits, from 0 to 1: `own` messages of `depth`, on a queue that this
    many pipelines use at the moment."""
    if own <= 0 or depth <= 0:
        return 0.0
    return min(own * max(pipelines, 1) / max(depth, own), own / LEAST_WAITING, 1.0)


def queue_backpressure(depth: int, drain: Drain) -> float:
    """Return the time that draining the queue takes, relative to the target lag."""
    return depth / (drain.rate * TARGET_LAG_MS / 1000)


def backpressure_of(lag_ms: float, queues: float, throttled: int, attempts: int) -> float:
    """Return the backpressure. `queues` is the highest `queue_backpressure`; `throttled` of `attempts`
    deliveries were answered with a request to slow down."""
    refused = throttled / max(attempts, LEAST_ATTEMPTS)
    return round(min(max(lag_ms / TARGET_LAG_MS, queues, refused, 0.0), 1.0), 3)
