"""A pipeline in memory, from events to outputs, for the command line, dry runs and tests.

Windows fire at the end of the input, as in a backfill: once, and no event is late.
"""

from collections import deque
from collections.abc import Iterator

from millrace.pipelines.event import Event
from millrace.pipelines.outcome import FailedEvent, Outcome, StepCount
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.store import Key, MemoryStore
from millrace.pipelines.transform import fire, keep, resume, transform_all

_FAR_MS = 2**52


class LocalRun:
    """Runs a pipeline:

    `feed` events and consume the outputs; `finish` yields what windows and batches still hold.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.store = MemoryStore()
        self.counts = [StepCount() for _ in plan.steps]
        self.dead_letters: list[FailedEvent] = []
        self._sent: deque[tuple[Key, list[Event]]] = deque()
        self._timers: set[tuple[int, Key]] = set()

    def timer(self, key: Key, at: int) -> None:
        self._timers.add((at, key))

    def send(self, key: Key, events: list[Event]) -> None:
        self._sent.append((key, events))

    def late(self, key: Key, events: int) -> None:
        step = self.plan.of_hash(key.step)
        if step:
            self.counts[step.index].late += events

    def feed(self, events: list[Event]) -> Iterator[Event]:
        """Yield the immediate outputs of these events."""
        now = max([event.ingested for event in events], default=0)
        for outcome in transform_all(self.plan, events, self.store, now, backfill=True):
            yield from self._kept(outcome, now)
        yield from self._fire_due(now)

    def finish(self) -> Iterator[Event]:
        """Yield everything that is still held, earliest window first."""
        yield from self._fire_due(_FAR_MS)

    def _fire_due(self, now: int) -> Iterator[Event]:
        """Fire what is due, each at its own time, which a window that reads the clock sees."""
        # Firing may set timers that are also due, so repeat until none is left.
        while due := sorted(timer for timer in self._timers if timer[0] <= now):
            for at, key in due:
                self._timers.discard((at, key))
                fire(self.plan, key, self.store, self, at)
                yield from self._resumed(at)

    def _resumed(self, now: int) -> Iterator[Event]:
        while self._sent:
            key, events = self._sent.popleft()
            for outcome in resume(self.plan, key, events, self.store, now, backfill=True):
                yield from self._kept(outcome, now)

    def _kept(self, outcome: Outcome, now: int) -> Iterator[Event]:
        for change in outcome.changes:
            keep(self.plan, change, outcome, self.store, self, now, backfill=True)
        self.dead_letters += outcome.dead_letters
        for total, count in zip(self.counts, outcome.counts, strict=True):
            total.add(count)
        yield from outcome.outputs

    def take_dead_letters(self) -> list[FailedEvent]:
        """Return the dead letters since the last call."""
        taken, self.dead_letters = self.dead_letters, []
        return taken
