"""The interface of speech engines."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from millrace.errors import InvalidRequest

OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
"""The names that every engine understands."""


@dataclass(frozen=True, slots=True)
class Voice:
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


class Engine(Protocol):
    """Speaks one sentence at a time. `slowest` and `fastest` bound `speed` (1 is the voice's own pace)."""

    name: str
    sample_rate: int
    slowest: float
    fastest: float

    async def voices(self) -> list[Voice]:
        """Every voice, OpenAI's names first. Raises `Unavailable` when they cannot be listed now."""
        ...

    async def voice(self, name: str) -> Voice:
        """The voice of this name. Raises `InvalidRequest`."""
        ...

    def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """PCM as it is made, in chunks of any size. Retries before the first chunk where that may help.
        Raises `ProviderError`. Closing the generator frees what it holds."""
        ...

    async def close(self) -> None:
        """End threads and connections."""
        ...


def find_voice(voices: Iterable[Voice], name: str, engine: str) -> Voice:
    """The voice of this name, capitals or not. Raises `InvalidRequest`."""
    for voice in voices:
        if voice.id.lower() == name.lower():
            return voice
    raise unknown_voice(name, engine)


def unknown_voice(name: str, engine: str) -> InvalidRequest:
    """The error for a voice that an engine lacks."""
    return InvalidRequest(
        f"The engine {engine} has no voice {name[:80]!r}; GET /api/voice/voices lists those it has.",
        code="unknown_voice",
    )
