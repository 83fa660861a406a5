"""Voice: text to speech, an agent's answer aloud, OpenAI's `/v1/audio/speech`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.audio import AudioStream
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, invalid, read_body
from millrace.api.operation import Answer, Parameter, all_of
from millrace.api.parameters import TICKET
from millrace.api.tickets import ticket_body
from millrace.domain.access import Principal
from millrace.domain.wire import WireModel
from millrace.services.runs.access import authorize_run
from millrace.services.speak import Speaking, SpeechRequest, prepare, speak_run, speak_text
from millrace.speech.encoders import FORMATS
from millrace.speech.engines import NAMES, Engines
from millrace.stores.connect import Stores

MAX_TEXT = 100_000
MEDIA = tuple(sorted({found.media_type.partition(";")[0] for found in FORMATS.values()}))
AUDIO = Answer(media=MEDIA, headers=("x-sample-rate",))
RUN_AUDIO = Answer(media=MEDIA, headers=("x-run-id", "x-sample-rate"))
VOICE_AND_CHAT = all_of("voice", "chat")
"""To hear a run is to read it."""
SPEECH_ERRORS = (
    "unknown_engine",
    "unknown_voice",
    "unknown_format",
    "unsupported_speed",
    "empty_text",
    "engine_missing",
    "engine_unavailable",
    "codec_missing",
    "speech_failed",
    "speech_refused",
)
VoiceName = Annotated[str, Field(min_length=1, max_length=128)]
Given = TypeVar("Given", bound=BaseModel)
OPENAI_PCM_RATE = 24_000
"""The rate at which clients of OpenAI play pcm: no answer names it."""


class SpeechOptions(WireModel):
    """Options of speech. `speed` 1 is the voice's own pace; without `engine` the deployment's default
    speaks."""

    voice: VoiceName = "alloy"
    format: str = Field(default="mp3", max_length=16)
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    engine: str = Field(default="", max_length=16)

    def to_request(self) -> SpeechRequest:
        return SpeechRequest(self.voice, self.format, self.speed, self.engine)


class Speak(SpeechOptions):
    """A text to speak."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)


class NamedVoice(BaseModel):
    """A custom voice as OpenAI's clients name it."""

    id: VoiceName


class OpenAiSpeech(BaseModel):
    """OpenAI's request; what it has beyond this is ignored. A `model` that is the name of an engine chooses
    it, any other takes the deployment's."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(max_length=200)
    input: str = Field(min_length=1, max_length=MAX_TEXT)
    voice: VoiceName | NamedVoice
    response_format: str = Field(default="mp3", max_length=16)
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio"] = "audio"

    def to_request(self) -> SpeechRequest:
        voice = self.voice if isinstance(self.voice, str) else self.voice.id
        engine = self.model if self.model in NAMES else ""
        rate = OPENAI_PCM_RATE if self.response_format == "pcm" else 0
        return SpeechRequest(voice, self.response_format, self.speed, engine, rate)


@dataclass(frozen=True, slots=True)
class VoiceApi:
    """The endpoints."""

    engines: Engines
    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """The table of them."""
        speech, run = "/api/voice/tts/stream", "/api/voice/conversations/{run_id}/stream"
        text, aloud = "Speak a text", "Speak an agent's answer, while it is written"
        return [
            Endpoint(
                "POST",
                speech,
                text,
                "voice",
                self.speak_text,
                body=Speak,
                answers={200: AUDIO},
                errors=SPEECH_ERRORS,
            ),
            Endpoint(
                "GET",
                speech,
                text + ", by ticket",
                "voice",
                self.speak_text_by_ticket,
                credential="ticket",
                parameters=(TICKET,),
                answers={200: AUDIO},
                errors=("invalid_request", *SPEECH_ERRORS),
            ),
            Endpoint(
                "POST",
                run,
                aloud,
                VOICE_AND_CHAT,
                self.speak_run,
                body=SpeechOptions,
                answers={200: RUN_AUDIO},
                errors=("run_expired", "run_not_found", *SPEECH_ERRORS),
            ),
            Endpoint(
                "GET",
                run,
                aloud + ", by ticket",
                VOICE_AND_CHAT,
                self.speak_run_by_ticket,
                credential="ticket",
                parameters=(TICKET,),
                answers={200: RUN_AUDIO},
                errors=("invalid_request", "run_expired", "run_not_found", *SPEECH_ERRORS),
            ),
            Endpoint(
                "GET",
                "/api/voice/voices",
                "List voices, formats and engines",
                "voice",
                self.list_voices,
                parameters=(Parameter("engine", "Whose voices; the deployment's own by default"),),
                answers={200: "VoiceCatalog"},
                errors=SPEECH_ERRORS,
            ),
            Endpoint(
                "POST",
                "/v1/audio/speech",
                "Speak a text, as OpenAI's API does",
                "voice",
                self.speak_openai,
                body=OpenAiSpeech,
                answers={200: AUDIO},
                errors=SPEECH_ERRORS,
            ),
        ]

    # --- texts -------------------------------------------------------------------------------------

    async def speak_text(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._text(await read_body(request, Speak))

    async def speak_text_by_ticket(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._text(_valid(Speak, ticket_body(request)))

    async def _text(self, given: Speak) -> ASGIApp:
        speaking = await prepare(self.engines, given.to_request())
        return _stream(speaking, speak_text(speaking, given.text))

    async def speak_openai(self, request: Request, caller: Principal) -> ASGIApp:
        given = await read_body(request, OpenAiSpeech)
        speaking = await prepare(self.engines, given.to_request())
        return _stream(speaking, speak_text(speaking, given.input))

    # --- runs --------------------------------------------------------------------------------------

    async def speak_run(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._run(request, caller, await read_body(request, SpeechOptions))

    async def speak_run_by_ticket(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._run(request, caller, _valid(SpeechOptions, ticket_body(request)))

    async def _run(self, request: Request, caller: Principal, given: SpeechOptions) -> ASGIApp:
        speaking = await prepare(self.engines, given.to_request())
        run = await authorize_run(self.stores, caller, request.path_params["run_id"])
        audio = await speak_run(speaking, self.stores, run, deadline(request))
        # An agent may think for a minute before it speaks: the listener hears at once that it is connected.
        return _stream(speaking, audio, {"x-run-id": run.id}, at_once=True)

    # --- about -------------------------------------------------------------------------------------

    async def list_voices(self, request: Request, caller: Principal) -> Response:
        engine = self.engines.get(request.query_params.get("engine", ""))
        return JSONResponse(
            {
                "engine": engine.name,
                "speed": {"min": engine.slowest, "max": engine.fastest},
                "sampleRate": engine.sample_rate,
                "voices": [voice.to_wire() for voice in await engine.voices()],
                "formats": [found.to_wire() for found in FORMATS.values()],
                "engines": [self._about(name) for name in NAMES],
            }
        )

    def _about(self, name: str) -> dict[str, Any]:
        missing = self.engines.missing(name)
        return {
            "id": name,
            "default": name == self.engines.default,
            "available": not missing,
            "missing": missing or None,
        }


def _valid(model: type[Given], body: dict[str, Any]) -> Given:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from error


def _stream(
    speaking: Speaking,
    audio: AsyncGenerator[bytes, None],
    headers: dict[str, str] | None = None,
    *,
    at_once: bool = False,
) -> AudioStream:
    rate = {"x-sample-rate": str(speaking.sample_rate)} if speaking.format.name == "pcm" else {}
    return AudioStream(audio, speaking.format.media_type, headers=rate | (headers or {}), at_once=at_once)
