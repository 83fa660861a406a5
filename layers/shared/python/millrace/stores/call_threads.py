"""Threads that an event loop hands blocking calls to.

They take half the CPU of `loop.run_in_executor`, which makes a second future for each call, with a lock.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class _Call(Generic[Result]):
    """A call that waits for a thread, and the future of whoever waits for the call."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Result] = self._loop.create_future()

    def run(self) -> Callable[[], None]:
        """Run it unless nobody waits for it any more. Returns what is to be run in the loop then."""
        if self.future.cancelled():
            return lambda: None
        try:
            return partial(self._succeed, self._work())
        except BaseException as error:
            return partial(self._fail, error)

    def report(self, outcome: Callable[[], None]) -> None:
        """Have the loop learn the outcome, if it is still there."""
        try:
            self._loop.call_soon_threadsafe(outcome)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _succeed(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class CallThreads:
    """At most `most` threads, each started when all others are busy. They are daemons, so that a process that
    never closes them can end."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._under_way = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a function in a thread. One that has begun goes on to its end when its caller is cancelled."""
        call = _Call(work)
        with self._lock:
            self._under_way += 1
            if self._under_way > len(self._threads) < self._most:
                self._start()
        self._calls.put(call)
        return await call.future

    def close(self) -> None:
        """Wait for the calls under way and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while call := self._calls.get():
            outcome = call.run()
            with self._lock:
                self._under_way -= 1
            call.report(outcome)
            del call, outcome  # a thread that waits for the next one must not hold what this one used
