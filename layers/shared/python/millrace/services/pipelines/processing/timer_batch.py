"""Timers, collected and sent together."""

from millrace.pipelines.state.store import Key
from millrace.services.pipelines.queue_messages import FireTimer, encode
from millrace.stores.queues import LONGEST_DELAY_MS, Queue


class Timers:
    """Collects timers. Call `flush` before acknowledging the cause of the timers. `now` is in epoch ms."""

    def __init__(self, queue: Queue, now: int) -> None:
        self._queue = queue
        self._now = now
        # A dict, because the events of a batch request the timer of their window again and again.
        self._waiting: dict[tuple[Key, int], None] = {}

    def timer(self, key: Key, at: int) -> None:
        """Request a call at a time. The sweep handles times beyond the queue's maximum delay."""
        if at - self._now <= LONGEST_DELAY_MS:
            self._waiting[key, at] = None

    def flush(self) -> None:
        """Send the collected timers. Raises `Unavailable`."""
        waiting, self._waiting = list(self._waiting), {}
        self._queue.send_delayed(
            (
                encode(FireTimer(str(key), at)),
                # Rounded up, because a timer that is too early has to be set again.
                -(-max(at - self._now, 0) // 1000),
                key.organization,
            )
            for key, at in waiting
        )
