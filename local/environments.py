"""Execution environments: real processes with one request at a time, reused while warm, more under load.

  functions = Environments(function, arguments, on_line=print)
  await functions.warm()
  invocation = Invocation(event, function.arn, function.timeout)
  functions.invoke(invocation)              # returns at once; read the invocation
  await functions.stop()

As on Lambda, beyond `limit` environments an invocation is throttled, after `timeout` seconds the process is
killed, and a process that dies ends only its own invocation.
"""

import asyncio
import os
from collections import deque
from collections.abc import Coroutine, Mapping

from local.deploy import Function
from local.environment import Environment, OnLine
from local.invocation import FunctionFailed, Invocation
from local.ministack import ClientArguments

LIMIT = 40
_IDLE_SECONDS = 300.0
_FINISH_SECONDS = 0.1
_DELIVERIES = 3
_STARTING = 2 * (os.cpu_count() or 1)


class Throttled(FunctionFailed):
    """Every environment is busy, and the limit is reached."""

    def __init__(self, limit: int) -> None:
        super().__init__("TooManyRequestsException", f"Rate Exceeded: {limit} environments are busy.")


class Environments:
    """All environments of one function."""

    def __init__(
        self,
        function: Function,
        arguments: ClientArguments,
        on_line: OnLine,
        extra: Mapping[str, str] | None = None,
        limit: int = LIMIT,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        """`extra` are variables in addition to the template's.

        The last idle environment always stays warm.
        """
        self.function = function
        self._arguments = arguments
        self._on_line = on_line
        self._extra = dict(extra or {})
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._all: set[Environment] = set()
        self._idle: list[Environment] = []
        self._waiters: deque[asyncio.Future[Environment]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._stopping = False

    def __len__(self) -> int:
        return len(self._all)

    async def warm(self) -> float:
        """Start one environment in advance, and return the seconds of its init. Raises `FunctionFailed`."""
        one = Environment(self.function, self._arguments, self._extra, self._on_line)
        self._all.add(one)
        await self._start(one)
        return one.init_seconds

    def invoke(self, invocation: Invocation) -> asyncio.Task[None]:
        """Run the invocation. Everything that happens to it, even throttling and a failed init, is reported
        on it.

        The task ends when the function is ready for another event, or has ended.
        """
        return self._background(self._run(invocation))

    async def restart(self) -> None:
        """End idle environments now and busy ones after their request, so that new ones get the new code."""
        for one in self._all:
            one.retired = True
        idle, self._idle = self._idle, []
        for one in idle:
            await self._end(one)

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*(one.stop() for one in self._all))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, invocation: Invocation) -> None:
        try:
            # An event that no process has received has had no effect yet, so another process may get it.
            for _ in range(_DELIVERIES):
                if await self._run_once(await self._acquire(), invocation):
                    return
            raise FunctionFailed("Runtime.ExitError", "The function died before it took the event.")
        except FunctionFailed as failure:
            invocation.fail(failure)

    async def _run_once(self, one: Environment, invocation: Invocation) -> bool:
        delivered = await one.run(invocation)
        invocation.memory = one.peak_memory()
        await self._release(one)
        return delivered

    async def _acquire(self) -> Environment:
        """Return the most recently used environment, or the first to become free or ready.

        Raises `FunctionFailed`.
        """
        while self._idle:
            one = self._idle.pop()
            if one.alive:
                return one
            self._all.discard(one)
        if sum(one.busy for one in self._all) + self._waiting() >= self._limit:
            raise Throttled(self._limit)
        # A process whose response is done asks for the next event in a moment, whereas an init takes much
        # longer.
        finishing = any(one.finishing for one in self._all)
        return await self._wait_for_one(_FINISH_SECONDS if finishing else 0)

    def _waiting(self) -> int:
        return sum(not waiter.done() for waiter in self._waiters)

    async def _wait_for_one(self, seconds: float) -> Environment:
        """Start another environment if none becomes free within `seconds`."""
        waiter: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if seconds:
            await asyncio.wait({waiter}, timeout=seconds)
        self._start_for_waiters()
        return await waiter

    def _start_for_waiters(self) -> None:
        """Start an environment for each waiting request, up to the limit, a few at a time.

        More at once would make all of them late, because an init occupies a core.
        """
        if self._stopping:
            return
        while self._starting < min(self._waiting(), _STARTING) and len(self._all) < self._limit:
            one = Environment(self.function, self._arguments, self._extra, self._on_line)
            self._all.add(one)
            self._starting += 1
            self._background(self._start_one(one))

    async def _start_one(self, one: Environment) -> None:
        try:
            await self._start(one)
        except FunctionFailed as failure:
            if waiter := self._next_waiter():
                waiter.set_exception(failure)
        finally:
            self._starting -= 1
            self._start_for_waiters()

    async def _start(self, one: Environment) -> None:
        try:
            await one.start()
        except FunctionFailed:
            self._all.discard(one)
            raise
        await self._release(one)

    async def _release(self, one: Environment) -> None:
        if not one.alive or one.retired or self._stopping:
            await self._end(one)
        elif waiter := self._next_waiter():
            waiter.set_result(one)
        else:
            self._idle.append(one)
            one.idle_since = asyncio.get_running_loop().time()
            asyncio.get_running_loop().call_later(self._idle_seconds, self._end_if_idle, one)

    def _next_waiter(self) -> asyncio.Future[Environment] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _end_if_idle(self, one: Environment) -> None:
        """End an environment that was idle for too long.

        The least recently used are first, and the last one stays.
        """
        idle_for = asyncio.get_running_loop().time() - one.idle_since
        if one in self._idle[:-1] and idle_for >= self._idle_seconds and not self._stopping:
            self._idle.remove(one)
            self._background(self._end(one))

    async def _end(self, one: Environment) -> None:
        self._all.discard(one)
        await one.stop()
        self._start_for_waiters()

    def _background(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
