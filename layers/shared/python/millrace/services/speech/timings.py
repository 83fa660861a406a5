"""Word timings: captions together with the audio.

The answer is a stream of events: `{"type": "audio", "audio": base64}` with the file's next bytes, `{"type":
"words", "estimated": bool, "words": [{"word", "start", "end"}]}` (seconds since the first sound), and
`{"type": "done", "seconds"}` at the end.
"""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from millrace.services.speech.order import Speaking
from millrace.speech.engine import Word
from millrace.speech.words import estimated_words


async def with_timings(
    speaking: Speaking, sentences: AsyncGenerator[str, None]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a speech. Raises as `Speaking.audio` does."""
    through: list[tuple[str, float, float]] = []
    per_second = 2 * speaking.engine.sample_rate
    seconds = 0.0

    def heard(text: str, begin: int, end: int) -> None:
        through.append((text, begin / per_second, end / per_second))

    async with aclosing(speaking.audio(sentences, heard)) as audio:
        async for part in audio:
            for text, begin, seconds in through:
                yield await _words(speaking, text, begin, seconds)
            through.clear()
            yield {"type": "audio", "audio": base64.b64encode(part).decode()}
    for text, begin, seconds in through:
        yield await _words(speaking, text, begin, seconds)
    yield {"type": "done", "seconds": round(seconds, 3)}


async def _words(speaking: Speaking, text: str, begin: float, end: float) -> dict[str, Any]:
    voice = await speaking.voice_for(text)
    timed = await speaking.engine.words(text, voice, speaking.speed)
    words = timed if timed is not None else estimated_words(text, end - begin)
    return {
        "type": "words",
        "estimated": timed is None,
        "words": [_timed(word, begin, end) for word in words],
    }


def _timed(word: Word, begin: float, end: float) -> dict[str, Any]:
    start, stop = min(begin + word.start, end), min(begin + word.end, end)
    return {"word": word.text, "start": round(start, 3), "end": round(stop, 3)}
