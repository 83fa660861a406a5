"""Reading ahead: a source read by a task of its own, and sentences spoken one ahead of the listener."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from millrace.errors import ProviderError
from millrace.speech.resample import whole_samples

T = TypeVar("T")
MAX_SENTENCE_BYTES = 32 * 1024 * 1024
"""The maximum PCM of one sentence: an engine that produces more for 300 characters is broken."""
_PLAYING_AND_NEXT = 2


Heard = Callable[[str, int, int], None]
"""Called with each finished sentence: its text, and its start and end in bytes of PCM."""


class Pace:
    """Keeps production at most `ahead` seconds before the listener.

    A listener hears from the first sound on, and waits when there is none.
    """

    def __init__(self, sample_rate: int, ahead: float) -> None:
        self._bytes_per_second = 2 * sample_rate
        self._ahead = ahead
        self._heard_at = 0.0

    def made(self, size: int) -> None:
        """Record bytes of PCM."""
        now = asyncio.get_running_loop().time()
        self._heard_at = max(self._heard_at, now) + size / self._bytes_per_second

    async def room(self) -> None:
        """Wait until more may be produced."""
        early = self._heard_at - self._ahead - asyncio.get_running_loop().time()
        if early > 0:
            await asyncio.sleep(early)


class _End:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Reads `source` immediately, in a task.

    Iterating returns what was read, and raises the source's exception at its position. `aclose` ends the task
    and closes the source.
    """

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

    async def read(self) -> None:
        """Wait until the source has been read to its end."""
        await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Stop the task."""
        self._task.cancel()
        # Awaiting the task itself would raise its cancellation here.
        await asyncio.wait([self._task])


async def spoken(
    speak: Callable[[str], AsyncGenerator[bytes, None]],
    sentences: AsyncGenerator[str, None],
    pace: Pace | None = None,
    heard: Heard | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield the PCM of the sentences in order.

    While one is heard, the next is produced, but no more: memory holds two sentences, however long the text
    is. With a `pace`, the next one begins only once most of the audio so far has been heard. Closing this
    generator ends both and closes `sentences`.
    """
    room = asyncio.Semaphore(_PLAYING_AND_NEXT)
    under_way: list[tuple[str, ReadAhead[bytes]]] = []

    async def begin() -> AsyncGenerator[tuple[str, ReadAhead[bytes]], None]:
        async with aclosing(sentences):
            async for text in sentences:
                await room.acquire()
                sentence = ReadAhead(_checked(speak(text), pace))
                under_way.append((text, sentence))
                yield text, sentence
                if pace:
                    await sentence.read()
                    await pace.room()

    begun, size = ReadAhead(begin()), 0
    try:
        async for text, sentence in begun:
            began = size
            async for pcm in sentence:
                size += len(pcm)
                yield pcm
            under_way.remove((text, sentence))
            room.release()
            if heard:
                heard(text, began, size)
    finally:
        await begun.aclose()
        for _, sentence in under_way:
            await sentence.aclose()


async def _checked(pcm: AsyncGenerator[bytes, None], pace: Pace | None) -> AsyncGenerator[bytes, None]:
    """Yield a sentence in whole samples, and raise if it is endless or empty."""
    size = 0
    async with aclosing(whole_samples(pcm)) as samples:
        async for chunk in samples:
            size += len(chunk)
            if pace:
                pace.made(len(chunk))
            if size > MAX_SENTENCE_BYTES:
                raise ProviderError("The speech engine did not finish.", code="speech_failed")
            yield chunk
    if not size:
        raise ProviderError("The speech engine returned no audio for a sentence.", code="speech_failed")
