"""Speech for tests of the page: a tone that is sent piece by piece on command."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

#: Another than the page guesses before its first speech.
RATE = 16_000
VOICES = {
    "engine": "scripted",
    "speed": {"min": 0.5, "max": 1.5},
    "sampleRate": RATE,
    "voices": [
        {"id": "alloy", "name": "Alloy", "language": "en", "gender": None},
        {"id": "nova", "name": "Nova", "language": None, "gender": None},
    ],
}


class AudioInterrupted(Exception):
    """The error that uvicorn raises for a closed connection."""


class Sound:
    """One response with speech. `is_open` until it has ended or the page has left; the page stops it on the
    server by its `id`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        self.is_open = True
        self.id = f"spk_{number}"
        self._loop = loop
        self._parts: asyncio.Queue[bytes | AudioInterrupted | None] = asyncio.Queue()

    def tone(self, ms: int, cut_at: int | None = None) -> None:
        """A 440 Hz tone at half volume; with `cut_at` as two parts, the first of so many bytes."""
        for part in filter(None, _cut(tone(ms), cut_at)):
            self._put(part)

    def end(self) -> None:
        self._put(None)

    def break_off(self) -> None:
        self._put(AudioInterrupted())

    def response(self) -> StreamingResponse:
        headers = {"X-Sample-Rate": str(RATE), "X-Stream-Id": self.id}
        return StreamingResponse(self._stream(), media_type="audio/pcm", headers=headers)

    def _put(self, part: bytes | AudioInterrupted | None) -> None:
        self._loop.call_soon_threadsafe(self._parts.put_nowait, part)

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            while (part := await self._parts.get()) is not None:
                if isinstance(part, AudioInterrupted):
                    raise part
                yield part
        finally:
            self.is_open = False


def tone(ms: int) -> bytes:
    """Signed 16 bit, little endian, mono."""
    samples = range(RATE * ms // 1000)
    return b"".join(struct.pack("<h", round(16_384 * math.sin(math.tau * 440 * n / RATE))) for n in samples)


def _cut(data: bytes, at: int | None) -> list[bytes]:
    positions = [0, *([at] if at is not None else []), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(positions)]
