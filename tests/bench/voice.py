"""The latency of speech, its fairness between twenty listeners of one process, and the memory that a long
text takes.

The app is driven as ASGI in one process with the embedded engine, which takes no time of a network. Beside
it stands what a service without streaming does: speak and encode the whole text, then answer.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from cProfile import Profile
from typing import Any, TypeVar

import orjson
import psutil

from millrace.api.voice_app import create_app
from millrace.settings import Settings
from millrace.speech.encoders import format_named
from millrace.speech.espeak import EspeakEngine
from tests.bench._profile import Shares, shares
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

SENTENCE = "The stone bridge has carried ships, carts and wanderers for more than two hundred years. "
TEXT = (SENTENCE * 50)[:4000]
LONG = (SENTENCE * 1200)[:100_000]
LISTENERS = 20
T = TypeVar("T")
ROUNDS = 15

GOALS = {
    "first_byte_ms": "under 50",
    "whole_to_first_byte": "at least 20",
    "twenty_last_first_byte_ms": "under 500",
    "twenty_slowest_to_fastest": "under 1.5",
    "long_text_extra_mb": "under 20",
}


def measure() -> dict[str, float]:
    """Milliseconds to the first byte of 4,000 characters as mp3 (warm, median), how many times that the whole
    takes without streaming, the last first byte of twenty at once and their spread, and how much more memory
    (MB, at its peak) 100,000 characters take than 4,000."""
    return _with_app(_measure)


def profiled() -> Shares:
    """Return where the CPU of an answer goes."""
    return _with_app(_profiled)


def _with_app(work: Callable[[Any, str], Coroutine[Any, Any, T]]) -> T:
    issuer = Issuer()
    with served(issuer.app) as url:
        settings = Settings(
            "us-east-1", oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=f"{url}/keys"
        )
        return asyncio.run(work(create_app(settings), issuer.headers()["authorization"]))


async def _profiled(app: Any, token: str) -> Shares:
    await _listen(app, token, TEXT, lambda: None)
    with Profile() as profile:
        await _listen(app, token, TEXT, lambda: None)
    return shares(profile)


async def _measure(app: Any, token: str) -> dict[str, float]:
    async def listen(text: str, on_part: Callable[[], None] = lambda: None) -> tuple[float, float]:
        return await _listen(app, token, text, on_part)

    await listen(TEXT)
    firsts = [(await listen(TEXT))[0] for _ in range(ROUNDS)]
    together = await asyncio.gather(*(listen(TEXT) for _ in range(LISTENERS)))
    first = statistics.median(firsts)
    short, long = _Peak(), _Peak()
    await listen(TEXT, short)
    await listen(LONG, long)
    ends = [end for _, end in together]
    return {
        "first_byte_ms": first * 1000,
        "whole_to_first_byte": await _whole() / first,
        "twenty_last_first_byte_ms": max(first for first, _ in together) * 1000,
        "twenty_slowest_to_fastest": max(ends) / min(ends),
        "long_text_extra_mb": (long.bytes - short.bytes) / 2**20,
    }


class _Peak:
    """The most memory that was seen."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.bytes = 0

    def __call__(self) -> None:
        self.bytes = max(self.bytes, self._process.memory_info().rss)


async def _listen(app: Any, token: str, text: str, on_part: Callable[[], None]) -> tuple[float, float]:
    """Seconds to the first byte and to the last."""
    body = orjson.dumps({"text": text, "format": "mp3"})
    left = asyncio.Event()
    requests = iter([{"type": "http.request", "body": body}])
    times: list[float] = []

    async def receive() -> dict[str, Any]:
        for request in requests:
            return request
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        elif message["body"]:
            times.append(time.perf_counter())
            on_part()

    began = time.perf_counter()
    await app(_scope(token), receive, send)
    return times[0] - began, times[-1] - began


def _scope(token: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/voice/tts/stream",
        "raw_path": b"/api/voice/tts/stream",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", token.encode())],
    }


async def _whole() -> float:
    """Seconds for the same text without streaming: all of it spoken, then all of it encoded."""
    engine = EspeakEngine()
    voice = await engine.voice("alloy")
    began = time.perf_counter()
    pcm = b"".join([chunk async for chunk in engine.speak(TEXT, voice, 1.0)])
    encoder = format_named("mp3").make(engine.sample_rate)
    encoder.encode(pcm)
    encoder.end()
    return time.perf_counter() - began
