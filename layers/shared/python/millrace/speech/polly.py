"""Amazon Polly: `SynthesizeSpeech` for each sentence, read as it is produced.

Polly's PCM has 8 or 16 kHz (https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html). The pace
is SSML's `prosody`, 20 to 200 percent. botocore retries throttling and outages before the first byte.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from xml.sax.saxutils import escape

import orjson
from msgspec.structs import replace

from millrace.errors import ProviderError
from millrace.speech.engine import Voice, Word, find_voice, speaks
from millrace.speech.languages import closest
from millrace.stores.aws import Aws

log = logging.getLogger(__name__)

_MARKS_READ = 64 * 1024
_FIRST_READ, _LONGEST_READ = 256, 8192
# Every listener blocks a thread while Polly speaks; those of asyncio's own pool are few and shared.
_READERS = 64
_ALIASES = {
    "alloy": ("Female", "Joanna"),
    "ash": ("Male", "Matthew"),
    "ballad": ("Male", "Arthur"),
    "cedar": ("Male", "Patrick"),
    "coral": ("Female", "Danielle"),
    "echo": ("Male", "Stephen"),
    "fable": ("Male", "Brian"),
    "marin": ("Female", "Tiffany"),
    "nova": ("Female", "Ruth"),
    "onyx": ("Male", "Gregory"),
    "sage": ("Female", "Salli"),
    "shimmer": ("Female", "Kendra"),
    "verse": ("Male", "Joey"),
}
"""OpenAI's names by gender and voice.

Regions have different voices. If one is missing, another English voice of that gender speaks.
"""
_KINDS = ("neural", "generative", "long-form", "standard")


class PollyEngine:
    """See `engine.Engine`.

    `kind` is Polly's own engine (neural, generative, long-form, standard). A voice that does not support it
    uses the best one it supports.
    """

    name = "polly"
    paid = True
    sample_rate = 16000
    slowest, fastest = 0.25, 2.0

    def __init__(self, aws: Aws, kind: str = "neural") -> None:
        self._aws = aws
        self._kind = kind
        self._kinds: dict[str, str] = {}
        self._voices: list[Voice] = []
        self._readers = ThreadPoolExecutor(_READERS, "polly")

    async def check(self) -> None:
        """See `engine.Engine`."""
        self._voices = []
        await self.voices()

    async def voices(self) -> list[Voice]:
        """See `engine.Engine`. Listed once in each process, because voices depend on the region."""
        if not self._voices:
            listed = {found["Id"]: found async for found in self._listed()}
            self._kinds = {name: self._best(found["SupportedEngines"]) for name, found in listed.items()}
            own = [_voice(name, found["Name"], found) for name, found in listed.items()]
            aliases = [self._alias(name, own) for name in _ALIASES] if own else []
            self._voices = aliases + own
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

    def _alias(self, name: str, own: list[Voice]) -> Voice:
        gender, native = _ALIASES[name]
        named = next((voice for voice in own if voice.native == native), None)
        return replace(named or self._nearest(own, "en-US", gender), id=name, name=name.capitalize())

    def _nearest(self, voices: list[Voice], language: str, gender: str) -> Voice:
        """Return the voice of a language that is closest in gender, then in kind, then in region."""
        primary = language.partition("-")[0]
        return max(
            voices,
            key=lambda voice: (
                voice.language.startswith(f"{primary}-"),
                voice.gender == gender.lower(),
                self._kinds[voice.native] == self._kind,
                voice.language == language,
            ),
        )

    def _best(self, supported: list[str]) -> str:
        return next((kind for kind in (self._kind, *_KINDS) if kind in supported), supported[0])

    async def voice(self, name: str) -> Voice:
        """See `engine.Engine`."""
        return find_voice(await self.voices(), name, self.name)

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """See `engine.Engine`. Returns a voice of the same gender, if the language has one."""
        if speaks(voice, language):
            return voice
        own = [one for one in await self.voices() if one.id == one.native]
        tag = closest(language, (one.language for one in own))
        return self._nearest([one for one in own if one.language == tag], tag, voice.gender) if tag else None

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
            # Reads grow: the first bytes are sent immediately, the rest in few steps. A listener always has
            # as much audio as the next read takes, so that playback does not stall while Polly is faster than
            # speech.
            size = _FIRST_READ
            while chunk := await body.read(size):
                yield chunk
                size = min(2 * size, _LONGEST_READ)
        finally:
            body.close()

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """See `engine.Engine`.

        Uses Polly's speech marks, a separate request that costs as much as the speech.
        """
        answer = await self._call(
            "synthesize_speech",
            Engine=self._kinds[voice.native],
            VoiceId=voice.native,
            OutputFormat="json",
            SpeechMarkTypes=["word"],
            **_said(text, speed),
        )
        body = _Body(answer["AudioStream"], self._readers)
        try:
            marks = b""
            while chunk := await body.read(_MARKS_READ):
                marks += chunk
        finally:
            body.close()
        return _timed([orjson.loads(line) for line in marks.splitlines() if line.strip()])

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            return await self._aws.call("polly", operation, **parameters)
        except ClientError as error:
            log.warning("Polly refused %s: %s", operation, error)
            status, code = (
                error.response["ResponseMetadata"]["HTTPStatusCode"],
                error.response["Error"]["Code"],
            )
            raise ProviderError(
                f"Polly refused the request: {code}.", code="speech_failed", http_status=status
            ) from error

    async def close(self) -> None:
        """See `engine.Engine`."""
        self._readers.shutdown(wait=False, cancel_futures=True)


class _Body:
    """A streaming body read in threads.

    A read in progress cannot be interrupted; closing waits for its end without blocking anybody.
    """

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
        log.warning("Polly closed the connection: %s", error)
        message = "Polly closed the connection in the middle of a sentence."
        raise ProviderError(message, code="speech_failed", retryable=True) from error


def _timed(marks: list[dict[str, Any]]) -> list[Word]:
    """Return the words with their times.

    Polly reports where a word begins (milliseconds). It lasts until the next one begins, and the last one as
    long as the average.
    """
    starts = [mark["time"] / 1000 for mark in marks]
    usual = starts[-1] / len(starts) if starts else 0.0
    ends = [*starts[1:], starts[-1] + usual] if starts else []
    return [Word(mark["value"], *span) for mark, *span in zip(marks, starts, ends, strict=True)]


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
