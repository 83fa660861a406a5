"""Speech."""

from typing import Any

from millrace.api.schemas.voice import SpeechStopping, VoiceCatalog
from millrace.client.answers import model
from millrace.client.calls import Call, Request, given, path
from millrace.client.follow import Cursor, Plan
from millrace.client.operations import IO, Resource, Watch, audio_stream, event_stream, operation

TEXT = "/api/voice/tts/stream"


def _options(
    voice: str | None, format: str | None, speed: float | None, engine: str | None, language: str | None
) -> dict[str, Any]:
    return given(voice=voice, format=format, speed=speed, engine=engine, language=language)


class Voice(Resource[IO]):
    """`client.voice`"""

    @audio_stream
    def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        format: str | None = None,
        speed: float | None = None,
        engine: str | None = None,
        language: str | None = None,
    ) -> Request:
        """Speak a text. The audio is streamed as it is produced, as `mp3` unless `format` is given."""
        return Request("POST", TEXT, body={"text": text} | _options(voice, format, speed, engine, language))

    @audio_stream
    def speak_run(
        self,
        run_id: str,
        *,
        voice: str | None = None,
        format: str | None = None,
        speed: float | None = None,
        engine: str | None = None,
        language: str | None = None,
    ) -> Request:
        """Speak a run's answer, even while it is being written."""
        where = path("/api/voice/conversations/{}/stream", run_id)
        return Request("POST", where, body=_options(voice, format, speed, engine, language))

    @event_stream
    def speak_timed(
        self,
        text: str,
        *,
        voice: str | None = None,
        format: str | None = None,
        speed: float | None = None,
        engine: str | None = None,
        language: str | None = None,
    ) -> Watch[dict[str, Any]]:
        """Speak a text with the times of its words: events `audio` (base64), `words`, `done`, `error`. They
        cannot be resumed."""
        body = {"text": text} | _options(voice, format, speed, engine, language)
        return Watch(
            Plan(
                Request("POST", TEXT, {"timings": True}, body),
                lambda cursor: None,
                lambda event: event["type"] in ("done", "error"),
            ),
            Cursor(),
        )

    @operation
    def voices(self, *, engine: str | None = None) -> Call[VoiceCatalog]:
        """List the voices of an engine, and the available formats and engines."""
        return Call(Request("GET", "/api/voice/voices", given(engine=engine)), model(VoiceCatalog))

    @operation
    def stop(self, stream_id: str) -> Call[SpeechStopping]:
        """Stop a speech on the server."""
        where = path("/api/voice/streams/{}/stop", stream_id)
        return Call(Request("POST", where, repeatable=True), model(SpeechStopping))
