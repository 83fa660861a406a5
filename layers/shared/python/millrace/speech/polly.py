"""Amazon Polly: `SynthesizeSpeech` per sentence, read as it is made.

PCM of Polly has 8 or 16 kHz (https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html). Pace is
SSML's `prosody`, 20 to 200 per cent. Throttling and outages are repeated by botocore before the first byte.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from xml.sax.saxutils import escape

from millrace.errors import ProviderError
from millrace.speech.engine import Voice, find_voice
from millrace.stores.aws import Aws

_FIRST_READ, _LONGEST_READ = 256, 8192
# Every listener blocks a thread while Polly speaks; those of asyncio's own pool are few and shared.
_READERS = 64
_ALIASES = {
    "alloy": "Joanna",
    "ash": "Matthew",
    "ballad": "Arthur",
    "coral": "Danielle",
    "echo": "Stephen",
    "fable": "Brian",
    "nova": "Ruth",
    "onyx": "Gregory",
    "sage": "Salli",
    "shimmer": "Kendra",
    "verse": "Joey",
}
_KINDS = ("neural", "generative", "long-form", "standard")


class PollyEngine:
    """See `engine.Engine`. `kind` is Polly's own engine (neural, generative, long-form, standard); a voice
    that lacks it speaks with the best that it has."""

    name = "polly"
    sample_rate = 16000
    slowest, fastest = 0.25, 2.0

    def __init__(self, aws: Aws, kind: str = "neural") -> None:
        self._aws = aws
        self._kind = kind
        self._kinds: dict[str, str] = {}
        self._voices: list[Voice] = []
        self._readers = ThreadPoolExecutor(_READERS, "polly")

    async def voices(self) -> list[Voice]:
        """See `engine.Engine`. Listed once per process: which voices there are depends on the region."""
        if not self._voices:
            listed = {found["Id"]: found async for found in self._listed()}
            self._kinds = {name: self._best(found["SupportedEngines"]) for name, found in listed.items()}
            aliases = [
                _voice(name, name.capitalize(), listed[of]) for name, of in _ALIASES.items() if of in listed
            ]
            self._voices = aliases + [_voice(name, found["Name"], found) for name, found in listed.items()]
        return self._voices

    async def _listed(self) -> AsyncGenerator[dict[str, Any], None]:
        token: dict[str, str] = {}
        while True:
            answer = await self._call("describe_voices", **token)
            for found in answer["Voices"]:
                yield found
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _best(self, supported: list[str]) -> str:
        return next((kind for kind in (self._kind, *_KINDS) if kind in supported), supported[0])

    async def voice(self, name: str) -> Voice:
        """See `engine.Engine`."""
        return find_voice(await self.voices(), name, self.name)

    async def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """See `engine.Engine`."""
        answer = await self._call(
            "synthesize_speech",
            Engine=self._kinds[voice.native],
            VoiceId=voice.native,
            OutputFormat="pcm",
            SampleRate=str(self.sample_rate),
            **_said(text, speed),
        )
        body = _Body(answer["AudioStream"], self._readers)
        try:
            # Reads grow: the first bytes leave at once, the rest in few steps. A listener always has as much
            # in hand as the next read waits for, so that none runs dry while Polly is faster than speech.
            size = _FIRST_READ
            while chunk := await body.read(size):
                yield chunk
                size = min(2 * size, _LONGEST_READ)
        finally:
            body.close()

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            return await self._aws.call("polly", operation, **parameters)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise ProviderError(
                f"Polly refuses: {error}", code="speech_failed", http_status=status
            ) from error

    async def close(self) -> None:
        """See `engine.Engine`."""
        self._readers.shutdown(wait=False, cancel_futures=True)


class _Body:
    """A streaming body read in threads. A read under way cannot be interrupted: closing waits for its end
    without keeping anybody."""

    def __init__(self, body: Any, readers: ThreadPoolExecutor) -> None:
        self._body = body
        self._readers = readers
        self._reading: Future[bytes] | None = None

    async def read(self, size: int) -> bytes:
        self._reading = self._readers.submit(_read, self._body.read, size)
        return await asyncio.wrap_future(self._reading)

    def close(self) -> None:
        if self._reading:
            self._reading.add_done_callback(lambda done: self._body.close())


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    try:
        return read(size)
    except (BotoCoreError, HTTPError, OSError) as error:
        message = f"Polly broke off in the middle of a sentence: {error}"
        raise ProviderError(message, code="speech_failed", retryable=True) from error


def _said(text: str, speed: float) -> dict[str, str]:
    if speed == 1:
        return {"TextType": "text", "Text": text}
    rate = f"{round(100 * speed)}%"
    return {
        "TextType": "ssml",
        "Text": f'<speak><prosody rate="{rate}">{escape(text)}</prosody></speak>',
    }


def _voice(id: str, name: str, found: dict[str, Any]) -> Voice:
    return Voice(id, found["Id"], name, found["LanguageCode"], found.get("Gender", "").lower())
