"""Timers collected and sent together."""

from millrace.pipelines.state.store import Key
from millrace.services.pipelines.queue_messages import FireTimer, encode
from millrace.stores.queues import LONGEST_DELAY_MS, Queue


class Timers:
    """`flush` has to be called before what asked for the timers is acknowledged. `now` in epoch ms."""

    def __init__(self, queue: Queue, now: int) -> None:
        self._queue = queue
        self._now = now
        # A dict, because the events of one batch ask for the timer of their window again and again.
        self._waiting: dict[tuple[Key, int], None] = {}

    def timer(self, key: Key, at: int) -> None:
        """Asks for a call at that time. Later than a queue can hold is the sweeper's business."""
        if at - self._now <= LONGEST_DELAY_MS:
            self._waiting[key, at] = None

    def flush(self) -> None:
        """Raises `Unavailable`."""
        waiting, self._waiting = list(self._waiting), {}
        self._queue.send_delayed(
            (
                encode(FireTimer(str(key), at)),
                # Rounded up, because a timer that comes too early has to be set again.
                -(-max(at - self._now, 0) // 1000),
                key.organization,
            )
            for key, at in waiting
        )
