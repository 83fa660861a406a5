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
"""The names that every engine understands."""


class Voice(Struct, frozen=True):
    """A voice of one engine: `id` as clients name it, `native` as the engine does; `language` is a BCP 47 tag
    or empty (the engine hears it from the text)."""

    id: str
    native: str
    name: str
    language: str = ""
    gender: str = ""

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
        return {
            "id": self.id,
            "name": self.name,
            "language": self.language or None,
            "gender": self.gender or None,
        }


class Word(Struct, frozen=True):
    """A word of a sentence and when it is heard, in seconds since the sentence's first sound."""

    text: str
    start: float
    end: float


class Engine(Protocol):
    """Speaks one sentence at a time. `slowest` and `fastest` bound `speed` (1 is the voice's own pace). What
    a `paid` engine makes costs money, so that it is made shortly before it is heard."""

    name: str
    paid: bool
    sample_rate: int
    slowest: float
    fastest: float

    async def check(self) -> None:
        """Raise what a call would raise now, as far as asking without cost tells."""
        ...

    async def voices(self) -> list[Voice]:
        """Every voice, OpenAI's names first. Raises `Unavailable` when they cannot be listed now."""
        ...

    async def voice(self, name: str) -> Voice:
        """The voice of this name, or one for a language tag in its place. Raises `InvalidRequest`."""
        ...

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """The voice that is most like `voice` and speaks this language (BCP 47), None if there is none."""
        ...

    def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """PCM as it is made, in chunks of any size. Retries before the first chunk where that may help.
        Raises `ProviderError`. Closing the generator frees what it holds."""
        ...

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """The words of a sentence as `speak` says it, None if the engine does not tell."""
        ...

    async def close(self) -> None:
        """End threads and connections."""
        ...


def find_voice(voices: Iterable[Voice], name: str, engine: str) -> Voice:
    """The voice of this name, capitals or not, or one for this language tag. Raises `InvalidRequest`."""
    known = list(voices)
    for voice in known:
        if voice.id.lower() == name.lower():
            return voice
    tag = closest(name, (voice.language for voice in known))
    if tag is None:
        raise unknown_voice(name, engine)
    return next(voice for voice in known if voice.language == tag)


def speaks(voice: Voice, language: str) -> bool:
    """Return whether a voice's own language is the one asked for, whatever the region."""
    return not voice.language or _primary(voice.language) == _primary(language)


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def unknown_voice(name: str, engine: str) -> InvalidRequest:
    """The error for a voice that an engine lacks."""
    return InvalidRequest(
        f"The engine {engine} has no voice {name[:80]!r}; GET /api/voice/voices lists its voices.",
        code="unknown_voice",
    )
