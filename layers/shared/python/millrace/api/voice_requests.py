"""The bodies of requests to the voice function."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace.domain.wire import WireModel
from millrace.services.speech.order import SpeechRequest
from millrace.speech.engines import engine_names
from millrace.speech.languages import TAG

MAX_TEXT = 100_000
VoiceName = Annotated[str, Field(min_length=1, max_length=128)]
OPENAI_PCM_RATE = 24_000
"""The sample rate at which OpenAI's clients play pcm, since no answer states it."""


class SpeechOptions(WireModel):
    """Options of speech. `speed` 1 is the voice's normal speed; without `engine` the deployment's default is
    used; `language` is a BCP 47 tag, for texts whose script does not identify it."""

    voice: VoiceName = "alloy"
    format: str = Field(default="mp3", max_length=16)
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    engine: str = Field(default="", max_length=16)
    language: str = Field(default="", max_length=64, pattern=f"^(?:{TAG.pattern})?$")

    def to_request(self) -> SpeechRequest:
        return SpeechRequest(self.voice, self.format, self.speed, self.engine, language=self.language)


class Speak(SpeechOptions):
    """A text to speak."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)


class NamedVoice(BaseModel):
    """A custom voice as OpenAI's clients name it."""

    id: VoiceName


class OpenAiSpeech(BaseModel):
    """OpenAI's request; other fields are ignored. A `model` with the name of an engine selects it; any other
    means the deployment's default."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(max_length=200)
    input: str = Field(min_length=1, max_length=MAX_TEXT)
    voice: VoiceName | NamedVoice
    response_format: str = Field(default="mp3", max_length=16)
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio"] = "audio"

    def to_request(self) -> SpeechRequest:
        voice = self.voice if isinstance(self.voice, str) else self.voice.id
        engine = self.model if self.model in engine_names() else ""
        rate = OPENAI_PCM_RATE if self.response_format == "pcm" else 0
        return SpeechRequest(voice, self.response_format, self.speed, engine, rate)
