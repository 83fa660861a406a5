"""Threads for an event loop's blocking calls.

They take half the CPU of `loop.run_in_executor`, which creates a second future with a lock for each call.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class _Call(Generic[Result]):
    """A call that waits for a thread, with the future of its caller."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Result] = self._loop.create_future()

    def run(self) -> Callable[[], None]:
        """Run the call unless it was canceled. Return a function to call in the event loop."""
        if self.future.cancelled():
            return lambda: None
        try:
            return partial(self._succeed, self._work())
        except BaseException as error:
            return partial(self._fail, error)

    def report(self, outcome: Callable[[], None]) -> None:
        """Schedule the outcome in the event loop, unless the loop is closed."""
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
    """At most `most` threads. Another one starts when all are busy.

    They are daemon threads, so that a process can exit without closing them.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a function in a thread. Once started, it runs to its end even if the caller is canceled."""
        call = _Call(work)
        with self._lock:
            if self._closed:
                raise RuntimeError("the threads for calls are closed")
            self._under_way += 1
            if self._under_way > len(self._threads) < self._most:
                self._start()
            self._calls.put(call)
        return await call.future

    def close(self) -> None:
        """Wait for pending calls and stop the threads. No call can be made afterwards."""
        with self._lock:
            self._closed = True
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
            del call, outcome  # an idle thread must not keep the previous call's objects alive
