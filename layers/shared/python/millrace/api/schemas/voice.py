"""Answers about speech, and tickets."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from millrace.api.schemas.base import Shape


class SpeedRange(Shape):
    """The speeds that an engine supports; 1 is a voice's normal speed."""

    min: float
    max: float


class Voice(Shape):
    """A voice of an engine."""

    id: str
    name: str
    language: str | None
    gender: str | None


class AudioFormat(Shape):
    """An audio format; `available` if the deployment has its codec."""

    id: str
    content_type: str
    available: bool


class SpeechEngine(Shape):
    """A speech engine, and what the deployment lacks for it."""

    id: str
    default: bool
    available: bool
    missing: str | None


class VoiceCatalog(Shape):
    """The voices of an engine, and all formats and engines."""

    engine: str
    speed: SpeedRange
    sample_rate: int = Field(description="samples per second of `pcm`")
    voices: list[Voice]
    formats: list[AudioFormat]
    engines: list[SpeechEngine]


class SpeechStopping(Shape):
    """A speech that is being stopped."""

    stream_id: str
    state: Literal["stopping"]


class SpeechAudio(Shape):
    """The next bytes of the audio file."""

    type: Literal["audio"]
    audio: str = Field(description="base64")


class TimedWord(Shape):
    """A word, and the seconds after the first sound between which it is heard."""

    word: str
    start: float
    end: float


class SpeechWords(Shape):
    """The words of a sentence."""

    type: Literal["words"]
    estimated: bool = Field(
        description="true if the times were estimated, as the engine does not report them"
    )
    words: list[TimedWord]


class SpeechDone(Shape):
    """The end of the speech."""

    type: Literal["done"]
    seconds: float


class SpeechError(Shape):
    """The engine failed after the first sound; nothing follows."""

    type: Literal["error"]
    code: str
    message: str


class SpeechEvent(RootModel[SpeechAudio | SpeechWords | SpeechDone | SpeechError]):
    """An event of speech with timings, distinguished by its `type`."""

    root: Annotated[SpeechAudio | SpeechWords | SpeechDone | SpeechError, Field(discriminator="type")]


class Ticket(Shape):
    """A ticket for one GET, or for one event stream."""

    ticket: str
    url: str = Field(description="the path with the ticket in its query")
    expires_at: str
