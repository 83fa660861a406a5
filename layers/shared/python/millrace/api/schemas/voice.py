"""Answers about speech, and tickets."""

from pydantic import Field

from millrace.api.schemas.base import Shape


class SpeedRange(Shape):
    """The speeds that an engine has; 1 is a voice's own pace."""

    min: float
    max: float


class Voice(Shape):
    """A voice of an engine."""

    id: str
    name: str
    language: str | None
    gender: str | None


class AudioFormat(Shape):
    """An audio format, and whether the deployment has its codec."""

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
    """The voices of an engine, and the formats and engines that there are."""

    engine: str
    speed: SpeedRange
    sample_rate: int = Field(description="samples per second of `pcm`")
    voices: list[Voice]
    formats: list[AudioFormat]
    engines: list[SpeechEngine]


class Ticket(Shape):
    """A ticket for one GET, or for one event stream."""

    ticket: str
    url: str = Field(description="the path with the ticket in its query")
    expires_at: str
