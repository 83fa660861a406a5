"""Answers of a framework's models, stored with the run: looked up, otherwise requested and stored."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar

import orjson

from millrace.agent.code.context import Stored
from millrace.app import AgentContext
from millrace.frameworks.common.failures import of_server

T = TypeVar("T")


class Answers:
    """The answers of one model in one process of a run.

    If a model's server fails temporarily, the model is asked again, as with agents without code, or the run
    is queued; but not once a part of the answer has arrived. Other errors are left to the framework.
    """

    def __init__(self, ctx: AgentContext, model: str) -> None:
        self._ctx = ctx
        self._model = model

    def find(self, *asked: Any) -> Stored:
        """Return the stored answer to what is asked: its `result`, or the place where to keep it."""
        digest = sha256(orjson.dumps(asked, default=repr)).hexdigest()[:16]
        return self._ctx.stored("model", {"model": self._model, "prompt": digest})

    async def ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of a model that is not streamed."""
        for attempt in count(1):
            try:
                return await ask()
            except Exception as error:
                await self._wait_after(error, attempt)
        raise AssertionError("unreachable")

    async def stream(self, ask: Callable[[], AsyncIterator[T]]) -> AsyncGenerator[T, None]:
        """Yield the pieces of a model's answer."""
        for attempt in count(1):
            started = False
            pieces: Any = ask()
            try:
                async with aclosing(pieces):
                    async for piece in pieces:
                        started = True
                        yield piece
                return
            except Exception as error:
                if started:
                    raise
                await self._wait_after(error, attempt)

    @asynccontextmanager
    async def open(self, ask: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncGenerator[T, None]:
        """Yield the pieces of a model's answer from the object that `ask` opens."""
        for attempt in count(1):
            async with AsyncExitStack() as stack:
                try:
                    answer = await stack.enter_async_context(ask())
                except Exception as error:
                    await self._wait_after(error, attempt)
                    continue
                yield answer
                return

    async def _wait_after(self, error: Exception, attempt: int) -> None:
        """Wait before the next try. Raises the framework's error if waiting cannot help."""
        failure = of_server(error, self._model)
        if failure is None or not failure.retryable:
            raise error
        await self._ctx.model.wait_after(failure, attempt)
