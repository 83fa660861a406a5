"""A request to speak, validated as a whole before the first byte."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.errors import InvalidRequest
from millrace.services.speech.limits import check_size
from millrace.speech.ahead import Heard, Pace, spoken
from millrace.speech.encoders import Format, encoded, format_named
from millrace.speech.engine import Engine, Voice
from millrace.speech.engines import Engines
from millrace.speech.languages import foreign_languages, language_of
from millrace.speech.resample import Resampler, resampled
from millrace.speech.sentences import LONGEST

SECONDS_AHEAD = 1.5
"""Seconds of audio that a paid engine produces ahead; its first byte takes about one second."""
LONGEST_PAID = 120
"""Characters sent to a paid engine at once, about 8 s of speech, which is the cost of a listener who
leaves."""


class SpeechRequest(Struct, frozen=True):
    """A request to speak.

    An empty engine selects the deployment's default, an empty language that of the voice. `sample_rate` (Hz)
    overrides the engine's rate.
    """

    voice: str
    format: str
    speed: float = 1.0
    engine: str = ""
    sample_rate: int = 0
    language: str = ""


class Speaking(Struct, frozen=True):
    """A validated request to speak."""

    engine: Engine
    voice: Voice
    format: Format
    speed: float
    sample_rate: int
    language: str
    """The language of the text, unless its script indicates another one."""
    _voices: dict[str, Voice] = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """The number of characters that the engine gets at once."""
        return LONGEST_PAID if self.engine.paid else LONGEST

    async def audio(
        self, sentences: AsyncGenerator[str, None], heard: Heard | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file's bytes as they become ready; `heard` is called with each finished sentence.

        Raises `ProviderError`. Closing the generator frees the engine.
        """
        pace = Pace(self.engine.sample_rate, SECONDS_AHEAD) if self.engine.paid else None
        pcm = spoken(self._speak, sentences, pace, heard)
        if self.sample_rate != self.engine.sample_rate:
            pcm = resampled(pcm, Resampler(self.engine.sample_rate, self.sample_rate))
        encoder = await asyncio.to_thread(self.format.make, self.sample_rate)  # may import for half a second
        async with aclosing(check_size(encoded(pcm, encoder))) as made:
            async for part in made:
                yield part

    async def check_languages(self, text: str) -> None:
        """Raise `InvalidRequest` for a text with words in a language without a voice."""
        for language in foreign_languages(text, self.language):
            if await self.engine.in_language(self.voice, language) is None:
                raise unsupported_language(self.engine, language)

    async def voice_for(self, sentence: str) -> Voice:
        """Return the voice for a sentence: the requested one, or the most similar one in the sentence's
        language.

        If there is none, the requested voice reads it as well as it can.
        """
        language = language_of(sentence, self.language)
        if language not in self._voices:
            self._voices[language] = await self.engine.in_language(self.voice, language) or self.voice
        return self._voices[language]

    async def _speak(self, sentence: str) -> AsyncGenerator[bytes, None]:
        voice = await self.voice_for(sentence)
        async with aclosing(self.engine.speak(sentence, voice, self.speed)) as pcm:
            async for chunk in pcm:
                yield chunk


async def prepare(engines: Engines, request: SpeechRequest) -> Speaking:
    """Validate a request to speak. Raises `InvalidRequest`, `NotImplementedHere` or `Unavailable`."""
    found = format_named(request.format)
    engine = engines.get(request.engine)
    if not engine.slowest <= request.speed <= engine.fastest:
        raise InvalidRequest(
            f"The engine {engine.name} supports a speed from {engine.slowest} to {engine.fastest}.",
            code="unsupported_speed",
        )
    voice = await engine.voice(request.voice)
    rate = request.sample_rate or engine.sample_rate
    # If the engine detects the language itself, the segmenter uses English.
    speaking = Speaking(engine, voice, found, request.speed, rate, request.language or voice.language or "en")
    return await _in_language(speaking) if request.language else speaking


async def _in_language(speaking: Speaking) -> Speaking:
    voice = await speaking.engine.in_language(speaking.voice, speaking.language)
    if voice is None:
        raise unsupported_language(speaking.engine, speaking.language)
    return replace(speaking, voice=voice)


def unsupported_language(engine: Engine, language: str) -> InvalidRequest:
    """Return the error for a language without a voice in an engine."""
    return InvalidRequest(
        f"The engine {engine.name} has no voice for the language {language[:40]!r}; GET /api/voice/voices "
        "lists its voices.",
        code="unsupported_language",
    )
