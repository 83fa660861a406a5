"""Runs writers, closers and sweepers in every order that a seed can produce.

Each call of the engine is an actor in a thread of its own, but only one of them ever runs. It may be stopped
before any call of the store or the outbox: the seed decides who goes on, who crashes there, how far the clock
jumps (also beyond a lease, which makes zombies), and what is delivered twice. Then all is delivered to the
end, and what the sink holds can be compared with what plain Python says about the events.
"""

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from millrace.pipelines.event import Event
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.firing import sweep
from millrace.pipelines.state.store import Key, MemoryStore, Register, Write
from millrace.pipelines.transform import fire, keep, transform

Task = Callable[[], None]
_MAX_RUNNING = 4
_CRASH = 0.08
_STRIDES = (1, 1, 2, 4, 8)
_JUMPS_MS = (100, 1_000, 5_000, 20_000, 61_000)
_JUMPING_MS = 400_000
_UNTIL_CLOSING_MS = 1_500_000


class Crash(BaseException):
    """The process is gone: nothing in the engine may catch this."""


class Worker:
    """A thread that runs one task at a time, a step at a time."""

    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self.task: Task | None = None
        self.running = False
        self.crashing = False
        self.crashed = False
        self.left = 0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def start(self, task: Task) -> None:
        self.task, self.running, self.crashing, self.crashed = task, True, False, False

    def step(self, checkpoints: int, crash: bool = False) -> None:
        """Lets it run through so many checkpoints, or crash at this one."""
        self.left, self.crashing = checkpoints, crash
        self._go.release()
        self._stopped.acquire()

    def checkpoint(self) -> None:
        """Called by the task, in the thread."""
        self.left -= 1
        if self.left > 0:
            return
        self._stopped.release()
        self._go.acquire()
        if self.crashing:
            raise Crash

    def _loop(self) -> None:
        while True:
            self._go.acquire()
            if self.task is None:
                break
            try:
                if not self.crashing:
                    self.task()
            except Crash:
                self.crashed = True
            except BaseException as error:
                self.error = error
            self.crashed = self.crashed or self.crashing
            self.running = False
            self._stopped.release()

    def stop(self) -> None:
        self.task = None
        self._go.release()
        self._thread.join()


class SteppedStore:
    """A store whose every call is a point where the caller may be stopped or die."""

    def __init__(self, checkpoint: Task) -> None:
        self.inner = MemoryStore()
        self._checkpoint = checkpoint

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        for block in blocks:
            self._checkpoint()
            self.inner.append(key, [block], expires)

    def blocks(self, key: Key) -> list[tuple[str, bytes]]:
        """Like a query in two pages: what changes between them may show."""
        self._checkpoint()
        first = self.inner.blocks(key)
        half = first[: len(first) // 2]
        if not half:
            return first
        self._checkpoint()
        return half + [block for block in self.inner.blocks(key) if block[0] > half[-1][0]]

    def delete(self, key: Key, references: list[str]) -> None:
        for reference in references:
            self._checkpoint()
            self.inner.delete(key, [reference])

    def read(self, key: Key) -> Register | None:
        self._checkpoint()
        return self.inner.read(key)

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        self._checkpoint()
        return self.inner.write(key, data, version, expires, due)

    def read_many(self, keys: list[Key]) -> dict[Key, Register]:
        """One after the other: others may write in between."""
        return {key: register for key in keys if (register := self.read(key))}

    def write_many(self, writes: list[Write]) -> list[Key]:
        return [write.key for write in writes if not self.write(*write)]

    def count(self, key: Key, more: int) -> int:
        self._checkpoint()
        return self.inner.count(key, more)

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        self._checkpoint()
        return self.inner.due(before, limit)


class Simulation:
    """One seed's run. `sink` is every event that was sent, in order."""

    def __init__(self, plan: Plan, workers: list[Worker], seed: int) -> None:
        self.plan = plan
        self.random = Random(seed)
        self.workers = workers
        self.current: Worker | None = None
        self.store: Any = SteppedStore(self.checkpoint)
        self.now = 0
        self.jumped = 0
        self.sink: list[Event] = []
        self.prompt: list[Event] = []
        self.waiting: list[tuple[int, Task]] = []
        self.late_events = 0

    def checkpoint(self) -> None:
        if self.current:
            self.current.checkpoint()

    def timer(self, key: Key, at: int) -> None:
        self.checkpoint()
        self.waiting.append((at, self.closer(key)))

    def send(self, key: Key, events: list[Event]) -> None:
        for event in events:
            self.checkpoint()
            self.sink.append(event)

    def late(self, key: Key, events: int) -> None:
        self.late_events += events

    def closer(self, key: Key) -> Task:
        return lambda: fire(self.plan, key, self.store, self, self.now)

    def writer(self, events: list[Event]) -> Task:
        def write() -> None:
            outcome = transform(self.plan, events, self.store, self.now)
            for change in outcome.changes:
                keep(self.plan, change, outcome, self.store, self, self.now)
            self.late_events += sum(count.late for count in outcome.counts)

        return write

    def sweeper(self) -> None:
        sweep(self.store, self, self.now)

    def deliver(self, events: list[Event]) -> None:
        """In batches, shuffled, some of them twice."""
        at = 0
        while at < len(events):
            size = self.random.randint(1, 4)
            batch = events[at : at + size]
            when = max(event.ingested for event in batch)
            for _ in range(1 + (self.random.random() < 0.3)):
                self.waiting.append((when + self.random.choice((0, 0, 2_000, 30_000)), self.writer(batch)))
            at += size

    def run(self, events: list[Event]) -> None:
        self.random.shuffle(events)
        self.deliver(events)
        self.turns()
        self.drain(settled=True)
        self.prompt = list(self.sink)
        self.now += _UNTIL_CLOSING_MS
        self.waiting += [(self.now, self.sweeper)] * 2
        self.turns()
        self.drain()

    def turns(self) -> None:
        self.jumped = 0
        while self.unfinished() or self.busy():
            self.turn()

    def unfinished(self) -> bool:
        """Return whether anything is to be done soon; timers for closing are not."""
        return any(at <= self.now + 120_000 for at, _ in self.waiting)

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.running]

    def turn(self) -> None:
        busy = self.busy()
        ready = [task for task in self.waiting if task[0] <= self.now]
        if ready and len(busy) < _MAX_RUNNING and (not busy or self.random.random() < 0.3):
            task = self.random.choice(ready)
            self.waiting.remove(task)
            self.start(task[1])
        elif busy:
            self.step(self.random.choice(busy), self.random.random() < _CRASH)
        if not ready and (not busy or self.random.random() < 0.05):
            self.jump()
        elif busy and self.jumped < _JUMPING_MS and self.random.random() < 0.02:
            self.jump()

    def start(self, task: Task) -> None:
        free = next(worker for worker in self.workers if not worker.running)
        free.start(task)

    def step(self, worker: Worker, crash: bool) -> None:
        self.current = worker
        task = worker.task
        worker.step(self.random.choice(_STRIDES), crash)
        self.current = None
        if worker.error:
            raise worker.error
        if worker.crashed and task:
            # As a queue does: what was not acknowledged comes again.
            self.waiting.append((self.now + 1_000, task))
            worker.crashed = False

    def jump(self) -> None:
        self.now += (jump := self.random.choice(_JUMPS_MS))
        self.jumped += jump
        if self.random.random() < 0.2:
            self.waiting.append((self.now, self.sweeper))

    def drain(self, settled: bool = False) -> None:
        """Everything to its end, without crashes, with a sweeper every minute, until no window waits. If only
        `settled`, until every window has fired, but before the first may close: closing looks at the blocks
        again, and would heal what a writer missed."""
        end = self.now + 120_000 if settled else 2**60
        for _ in range(200):
            sweep(self.store, self, self.now)
            for task in self.take_ready():
                task()
            if self.now >= end or not (self.waiting or self.store.inner.due(2**60, 1)):
                return
            self.now += 60_000
        raise AssertionError("the engine does not come to rest")

    def take_ready(self) -> Iterator[Task]:
        while ready := [task for task in self.waiting if task[0] <= self.now]:
            for task in ready:
                self.waiting.remove(task)
                yield task[1]


def final_results(sink: list[Event]) -> dict[str, dict[str, Any]]:
    """Return the content of a sink that keeps the highest revision of each id; retracted ones (count 0)
    are gone."""
    held: dict[str, dict[str, Any]] = {}
    for event in sink:
        known = held.get(event.payload["id"])
        if known is None or known["revision"] <= event.payload["revision"]:
            held[event.payload["id"]] = event.payload
    return {id: payload for id, payload in held.items() if payload["count"]}


def distinct_batches(sink: list[Event]) -> dict[str, list[Any]]:
    """The items by batch id; raises if one id was sent with different items."""
    held: dict[str, list[Any]] = {}
    for event in sink:
        items = event.payload["items"]
        assert held.setdefault(event.payload["id"], items) == items
    return held
