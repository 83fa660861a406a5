"""Processes that die at a write: AWS as one process after the other sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from millrace.errors import Unavailable
from millrace.stores.aws import Aws as AwsClients

WRITES = frozenset({"transact_write_items", "put_item", "update_item", "delete_item"})
Failure = Literal["kill before", "kill after", "fault before", "fault after"]
"""A process dies before a write takes effect, or after it; or the write's answer is an outage, before it took
effect or after."""
Result = TypeVar("Result")


class Killed(BaseException):
    """The process is gone: nothing that it does afterwards has an effect."""


@dataclass(frozen=True)
class Blow:
    """A failure at a write of a process; writes are counted from 1."""

    write: int
    failure: Failure


class Mortal(AwsClients):
    """The AWS of one process at a time; `blows` are those of the processes to come, in order."""

    def __init__(self, region: str, blows: list[list[Blow]]) -> None:
        super().__init__(region)
        self.blows = blows
        self.deaths = 0
        self.writes: list[int] = []
        self.dead = False
        self.next_process()

    def next_process(self) -> None:
        """Begins the next process."""
        self.deaths += self.dead
        self.dead = False
        self._now = {blow.write: blow.failure for blow in (self.blows.pop(0) if self.blows else [])}
        self.writes.append(0)

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        call = super().call
        if self.dead:
            raise Killed
        if operation not in WRITES:
            return await call(service, operation, **parameters)
        return await self._write(lambda: call(service, operation, **parameters))

    async def _write(self, effect: Callable[[], Awaitable[Result]]) -> Result:
        self.writes[-1] += 1
        failure = self._now.get(self.writes[-1])
        if failure is None:
            return await effect()
        if failure.endswith("after"):
            await effect()
        if failure.startswith("fault"):
            raise Unavailable("an outage, as the test wants it")
        self.dead = True
        raise Killed
