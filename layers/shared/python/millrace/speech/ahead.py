"""Reading ahead: a source read by a task of its own, and sentences spoken one ahead of the listener."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from millrace.errors import ProviderError

T = TypeVar("T")
MAX_SENTENCE_BYTES = 32 * 1024 * 1024
"""PCM of one sentence: an engine that makes more of 300 characters is broken."""
_PLAYING_AND_NEXT = 2


class _End:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Reads `source` at once, in a task; iterating gives what has been read and raises what the source
    raised, in its place. `aclose` ends the task and closes the source."""

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._read: asyncio.Queue[T | _End] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(source))

    async def _run(self, source: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    self._read.put_nowait(item)
        except Exception as error:
            self._read.put_nowait(_End(error))
        else:
            self._read.put_nowait(_End())

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        item = await self._read.get()
        if not isinstance(item, _End):
            return item
        raise item.error or StopAsyncIteration

    async def aclose(self) -> None:
        """End what still runs."""
        self._task.cancel()
        # Awaiting the task itself would raise its cancellation here.
        await asyncio.wait([self._task])


async def spoken(
    speak: Callable[[str], AsyncGenerator[bytes, None]], sentences: AsyncGenerator[str, None]
) -> AsyncGenerator[bytes, None]:
    """The PCM of the sentences in order. While one is heard the next is made, and no more than that: memory
    holds two sentences however long the text is. Closing this ends both and closes `sentences`."""
    room = asyncio.Semaphore(_PLAYING_AND_NEXT)
    under_way: list[ReadAhead[bytes]] = []

    async def begin() -> AsyncGenerator[ReadAhead[bytes], None]:
        async with aclosing(sentences):
            async for sentence in sentences:
                await room.acquire()
                under_way.append(ReadAhead(_checked(speak(sentence))))
                yield under_way[-1]

    begun = ReadAhead(begin())
    try:
        async for sentence in begun:
            async for pcm in sentence:
                yield pcm
            under_way.remove(sentence)
            room.release()
    finally:
        await begun.aclose()
        for sentence in under_way:
            await sentence.aclose()


async def _checked(pcm: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A sentence in whole samples, however the network cut it, neither endless nor empty."""
    size, rest = 0, b""
    async with aclosing(pcm):
        async for chunk in pcm:
            size += len(chunk)
            if size > MAX_SENTENCE_BYTES:
                raise ProviderError("The speech engine did not finish.", code="speech_failed")
            chunk = rest + chunk
            whole = len(chunk) & ~1
            rest = chunk[whole:]
            if whole:
                yield chunk[:whole]
    if size < 2:
        raise ProviderError("The speech engine returned no audio for a sentence.", code="speech_failed")
