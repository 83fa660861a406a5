"""The interface of speech engines."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Protocol

from msgspec import Struct

from millrace.errors import InvalidRequest
from millrace.speech.languages import closest

OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
"""The names that every engine supports."""


class Voice(Struct, frozen=True):
    """A voice of an engine.

    `id` is its name for clients, and `native` its name in the engine. `language` is a BCP 47 tag, or empty if
    the engine detects the language from the text.
    """

    id: str
    native: str
    name: str
    language: str = ""
    gender: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "id": self.id,
            "name": self.name,
            "language": self.language or None,
            "gender": self.gender or None,
        }


class Word(Struct, frozen=True):
    """A word of a sentence with its times in seconds since the sentence's first sound."""

    text: str
    start: float
    end: float


class Engine(Protocol):
    """Speaks one sentence at a time.

    `slowest` and `fastest` bound `speed` (1 is the voice's normal pace). A `paid` engine costs money, so its
    audio is produced shortly before it is heard.
    """

    name: str
    paid: bool
    sample_rate: int
    slowest: float
    fastest: float

    async def check(self) -> None:
        """Raise what a call would raise now, as far as this can be determined without cost."""
        ...

    async def voices(self) -> list[Voice]:
        """Return every voice, OpenAI's names first. Raises `Unavailable` if they cannot be listed now."""
        ...

    async def voice(self, name: str) -> Voice:
        """Return the voice of this name, or one for a language tag. Raises `InvalidRequest`."""
        ...

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """Return the voice that is most similar to `voice` and speaks this language (BCP 47), or None."""
        ...

    def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """Yield PCM as it is produced, in chunks of any size. Retries before the first chunk where that may
        help.

        Raises `ProviderError`. Closing the generator frees its resources.
        """
        ...

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """Return the words of a sentence as `speak` says it, or None if the engine cannot tell."""
        ...

    async def close(self) -> None:
        """Close threads and connections."""
        ...


def find_voice(voices: Iterable[Voice], name: str, engine: str) -> Voice:
    """Return the voice of this name, ignoring case, or one for this language tag. Raises `InvalidRequest`."""
    known = list(voices)
    for voice in known:
        if voice.id.lower() == name.lower():
            return voice
    tag = closest(name, (voice.language for voice in known))
    if tag is None:
        raise unknown_voice(name, engine)
    return next(voice for voice in known if voice.language == tag)


def speaks(voice: Voice, language: str) -> bool:
    """Return whether a voice's own language is the requested one, in any region."""
    return not voice.language or _primary(voice.language) == _primary(language)


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def unknown_voice(name: str, engine: str) -> InvalidRequest:
    """Return the error for a voice that an engine lacks."""
    return InvalidRequest(
        f"The engine {engine} has no voice {name[:80]!r}; GET /api/voice/voices lists its voices.",
        code="unknown_voice",
    )
