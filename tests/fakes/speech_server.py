"""Polly and OpenAI's `/audio/speech` on 127.0.0.1, with real speech or whatever a test plays.

    with SpeechServer(pace=0.01) as server:
        server.play(Script([b"..."], 429))          # the answer to the next request to speak
        ... AWS_ENDPOINT_URL_POLLY=server.url, or OPENAI_BASE_URL=server.url + "/v1" ...
        server.spoken, server.sounds                 # the requests to speak and what was said, in order

Without a script, it speaks the request's text at the request's rate, in pieces of 50 ms, and waits `pace`
seconds between pieces. `/v1/voices` is Polly's DescribeVoices, in two pages.
"""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import orjson

from millrace.speech.resample import Resampler
from tests.fakes.model_server import Exchange, Gate, ModelServer, Script
from tests.speech.sound import speech_now

JSON = {"content-type": "application/json"}
SOUND = {"content-type": "audio/pcm"}
POLLY_LONGEST = 3000
_VOICES = [("Joanna", "en-US", "Female", ["neural", "standard"]), ("Matthew", "en-US", "Male", ["neural"])]
_MORE = [("Vicki", "de-DE", "Female", ["neural"]), ("Ola", "pl-PL", "Female", ["standard"])]


class SpeechServer(ModelServer):
    """A `ModelServer` that speaks."""

    def __init__(self, pace: float = 0.0) -> None:
        super().__init__()
        self._pace = pace
        self.sounds: list[bytes] = []
        self.refuse_key = False

    def play(self, *scripts: Script) -> None:
        """Play these scripts for the next requests to speak, one each, as sound unless their headers
        differ."""
        super().play(*(replace(script, headers=SOUND | script.headers) for script in scripts))

    @property
    def spoken(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.path.endswith("/speech")]

    def _script(self, exchange: Exchange) -> Script:
        if exchange.path.startswith("/v1/voices"):
            return _described(exchange)
        if not exchange.path.endswith("/speech"):
            return Script([b"{}"], 401 if self.refuse_key else 404, JSON)
        return self._scripts.popleft() if self._scripts else self._speech(exchange.json)

    def _speech(self, asked: dict[str, Any]) -> Script:
        polly = "OutputFormat" in asked
        text = asked["Text"] if polly else asked["input"]
        if polly and len(text) > POLLY_LONGEST:
            return refusal(400, "TextLengthExceededException", "Maximum text length has been exceeded")
        words, rate = unescape(re.sub(r"<[^>]+>", "", text)), 16000 if polly else 24000
        self.sounds.append(at_rate(speech_now(words), rate))
        return Script(self._pieces(self.sounds[-1], rate // 10), 200, SOUND)

    def _pieces(self, pcm: bytes, size: int) -> list[bytes | float | Gate]:
        pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        return [step for piece in pieces for step in (piece, self._pace)]


def at_rate(pcm: bytes, rate: int) -> bytes:
    """Resample espeak's sound."""
    resampler = Resampler(22050, rate)
    return resampler.feed(pcm) + resampler.end()


def refusal(status: int, code: str, message: str) -> Script:
    """Return an error in the format of Polly and all of AWS's REST services with JSON."""
    return Script([orjson.dumps({"message": message})], status, JSON | {"x-amzn-errortype": code})


def _described(exchange: Exchange) -> Script:
    second = "NextToken" in exchange.path
    listed = [
        {"Id": id, "Name": id, "LanguageCode": language, "Gender": gender, "SupportedEngines": engines}
        for id, language, gender, engines in (_MORE if second else _VOICES)
    ]
    answer: dict[str, Any] = {"Voices": listed} | ({} if second else {"NextToken": "more"})
    return Script([orjson.dumps(answer)], 200, JSON)
