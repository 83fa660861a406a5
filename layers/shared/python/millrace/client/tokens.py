"""The bearer token: fixed, or from a function that is called again when the server refuses the last token."""

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread

TokenSource = str | Callable[[], str] | None
AsyncTokenSource = TokenSource | Callable[[], Awaitable[str]]


class Tokens:
    """One token for all requests. Threads whose token was refused share one renewal."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None
        self._lock = threading.Lock()

    def get(self, rejected: str | None) -> str | None:
        """Return a token, different from `rejected` if that is given."""
        source = self._source
        if not callable(source):
            return source
        with self._lock:
            if self._token is None or self._token == rejected:
                self._token = source()
            return self._token


class AsyncTokens:
    """The same for tasks. The function may be a coroutine function; any other runs in a thread."""

    def __init__(self, source: AsyncTokenSource) -> None:
        self._source = source
        self._token: str | None = None
        self._lock = anyio.Lock()

    async def get(self, rejected: str | None) -> str | None:
        """See `Tokens.get`."""
        source = self._source
        if not callable(source):
            return source
        async with self._lock:
            if self._token is None or self._token == rejected:
                self._token = await _ask(source)
            return self._token


async def _ask(source: Callable[[], str] | Callable[[], Awaitable[str]]) -> str:
    if inspect.iscoroutinefunction(source):
        found: str = await source()
        return found
    answer: Any = await anyio.to_thread.run_sync(source)
    return str(await answer if inspect.isawaitable(answer) else answer)
