"""Voice: text to speech, an agent's answer spoken, and OpenAI's `/v1/audio/speech`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from millrace.api.audio import AudioStream
from millrace.api.audio_events import frames
from millrace.api.audio_replay import kept, part_of, replayed, wants_a_part
from millrace.api.deadline import deadline
from millrace.api.endpoint import Endpoint, invalid, read_body
from millrace.api.operation import Answer, Parameter, all_of
from millrace.api.parameters import TICKET
from millrace.api.tickets import ticket_body
from millrace.api.voice_requests import OpenAiSpeech, Speak, SpeechOptions
from millrace.domain.access import Principal
from millrace.domain.ids import new_ulid, valid_id
from millrace.errors import NotFound
from millrace.services.runs.access import authorize_run
from millrace.services.speech.limits import expected_seconds
from millrace.services.speech.order import Speaking, SpeechRequest, prepare
from millrace.services.speech.runs import sentences_of_run
from millrace.services.speech.stopping import until_stopped
from millrace.services.speech.texts import sentences_to_speak
from millrace.services.speech.timings import with_timings
from millrace.speech.encoders import FORMATS
from millrace.speech.engines import Engines, engine_names
from millrace.stores.connect import Stores
from millrace.stores.speech_stops import SpeechStops
from millrace.stores.tickets import AUDIO_BYTES

MEDIA = tuple(sorted({found.media_type.partition(";")[0] for found in FORMATS.values()}))
EVENTS = "text/event-stream"
AUDIO = Answer(events="SpeechEvent", media=MEDIA, headers=("x-sample-rate", "x-stream-id"))
PART_OF_AUDIO = Answer(media=MEDIA)
RUN_AUDIO = Answer(events="SpeechEvent", media=MEDIA, headers=("x-run-id", "x-sample-rate", "x-stream-id"))
VOICE_AND_CHAT = all_of("voice", "chat")
"""Listening to a run needs the same scope as reading it."""
SPEECH_ERRORS = (
    "unknown_engine",
    "unknown_voice",
    "unknown_format",
    "unsupported_language",
    "unsupported_speed",
    "empty_text",
    "speech_too_long",
    "engine_missing",
    "engine_unavailable",
    "codec_missing",
    "speech_failed",
    "speech_refused",
)
Given = TypeVar("Given", bound=BaseModel)
TIMINGS = Parameter(
    "timings",
    "`true` answers with Server-Sent Events: the audio in parts, and the times of the words",
    {"type": "string", "enum": ["true", "false"]},
)


class VoiceApi(Struct, frozen=True):
    """The endpoints of speech."""

    engines: Engines
    stores: Stores
    stops: SpeechStops

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        speech, run = "/api/voice/tts/stream", "/api/voice/conversations/{run_id}/stream"
        text, aloud = "Speak a text", "Speak an agent's answer, even while it is being written"
        return [
            Endpoint(
                "POST",
                speech,
                text,
                "voice",
                self.speak_text,
                audited=False,
                body=Speak,
                parameters=(TIMINGS,),
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
                parameters=(TICKET, TIMINGS),
                answers={200: AUDIO, 206: PART_OF_AUDIO},
                errors=("invalid_request", *SPEECH_ERRORS),
            ),
            Endpoint(
                "POST",
                run,
                aloud,
                VOICE_AND_CHAT,
                self.speak_run,
                audited=False,
                body=SpeechOptions,
                parameters=(TIMINGS,),
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
                parameters=(TICKET, TIMINGS),
                answers={200: RUN_AUDIO, 206: PART_OF_AUDIO},
                errors=("invalid_request", "run_expired", "run_not_found", *SPEECH_ERRORS),
            ),
            Endpoint(
                "POST",
                "/api/voice/streams/{stream_id}/stop",
                "Stop a speech that the caller started",
                "voice",
                self.stop,
                audited=False,
                answers={202: "SpeechStopping"},
                errors=("stream_not_found", "not_configured"),
                description="Takes effect within about a second. A speech that has ended can be stopped too.",
            ),
            Endpoint(
                "GET",
                "/api/voice/voices",
                "List voices, formats and engines",
                "voice",
                self.list_voices,
                parameters=(
                    Parameter("engine", "The engine whose voices to list; by default the deployment's"),
                ),
                answers={200: "VoiceCatalog"},
                errors=SPEECH_ERRORS,
            ),
            Endpoint(
                "POST",
                "/v1/audio/speech",
                "Speak a text, as OpenAI's API does",
                "voice",
                self.speak_openai,
                audited=False,
                body=OpenAiSpeech,
                answers={200: AUDIO},
                errors=SPEECH_ERRORS,
            ),
        ]

    # --- texts -------------------------------------------------------------------------------------

    async def speak_text(self, request: Request, caller: Principal) -> ASGIApp:
        given = await read_body(request, Speak)
        return await self._text(request, caller, given.to_request(), given.text)

    async def speak_text_by_ticket(self, request: Request, caller: Principal) -> ASGIApp:
        if (again := await replayed(request)) is not None:
            return again
        given = _valid(Speak, ticket_body(request))
        return await self._text(request, caller, given.to_request(), given.text)

    async def speak_openai(self, request: Request, caller: Principal) -> ASGIApp:
        given = await read_body(request, OpenAiSpeech)
        return await self._text(request, caller, given.to_request(), given.input)

    async def _text(self, request: Request, caller: Principal, asked: SpeechRequest, text: str) -> ASGIApp:
        speaking = await prepare(self.engines, asked)
        sentences = await sentences_to_speak(speaking, text, deadline(request))
        if wants_a_part(request) and _is_short(speaking, text):
            return await _complete_audio(request, speaking, sentences)
        return self._stream(request, caller, speaking, sentences)

    # --- runs --------------------------------------------------------------------------------------

    async def speak_run(self, request: Request, caller: Principal) -> ASGIApp:
        return await self._run(request, caller, await read_body(request, SpeechOptions))

    async def speak_run_by_ticket(self, request: Request, caller: Principal) -> ASGIApp:
        if (again := await replayed(request)) is not None:
            return again
        return await self._run(request, caller, _valid(SpeechOptions, ticket_body(request)))

    async def _run(self, request: Request, caller: Principal, given: SpeechOptions) -> ASGIApp:
        speaking = await prepare(self.engines, given.to_request())
        run = await authorize_run(self.stores, caller, request.path_params["run_id"])
        sentences = await sentences_of_run(
            self.stores, run, deadline(request), speaking.language, speaking.longest
        )
        # An agent may think for a minute before it speaks, so the headers are sent at once.
        return self._stream(request, caller, speaking, sentences, {"x-run-id": run.id}, at_once=True)

    # --- both --------------------------------------------------------------------------------------

    def _stream(
        self,
        request: Request,
        caller: Principal,
        speaking: Speaking,
        sentences: AsyncGenerator[str, None],
        headers: dict[str, str] | None = None,
        *,
        at_once: bool = False,
    ) -> ASGIApp:
        stream_id = f"spk_{new_ulid()}"
        named = {"x-stream-id": stream_id} | _sample_rate(speaking) | (headers or {})
        media_type = speaking.format.media_type
        if request.method == "HEAD":
            return Response(None, 200, named | {"cache-control": "no-store"}, media_type)
        if request.query_params.get("timings") == "true":
            media_type, audio = EVENTS, frames(with_timings(speaking, sentences))
        else:
            audio = kept(request, speaking.audio(sentences), media_type)
        stopped = partial(self.stops.wanted, caller, stream_id)
        return AudioStream(until_stopped(audio, stopped), media_type, headers=named, at_once=at_once)

    async def stop(self, request: Request, caller: Principal) -> Response:
        stream_id = request.path_params["stream_id"]
        if not valid_id(stream_id):
            raise NotFound("No speech of yours has this id.", code="stream_not_found")
        await self.stops.stop(caller, stream_id)
        return JSONResponse({"streamId": stream_id, "state": "stopping"}, 202)

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
                "engines": await asyncio.gather(*map(self._about, engine_names())),
            }
        )

    async def _about(self, name: str) -> dict[str, Any]:
        missing = await self.engines.unavailable(name)
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


def _is_short(speaking: Speaking, text: str) -> bool:
    """Return whether the whole audio is short enough to be kept."""
    size = speaking.format.bytes_per_second(speaking.sample_rate)
    return expected_seconds(text, speaking.speed) * size < AUDIO_BYTES


async def _complete_audio(
    request: Request, speaking: Speaking, sentences: AsyncGenerator[str, None]
) -> Response:
    media_type = speaking.format.media_type
    async with aclosing(kept(request, speaking.audio(sentences), media_type)) as audio:
        return part_of(request, media_type, b"".join([part async for part in audio]))


def _sample_rate(speaking: Speaking) -> dict[str, str]:
    return {"x-sample-rate": str(speaking.sample_rate)} if speaking.format.name == "pcm" else {}
