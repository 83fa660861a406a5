"""Compares the sound of two recordings without knowing the words: loudness and brightness over time."""

import asyncio
import math
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

from millrace.speech.espeak import EspeakEngine

_FRAMES_PER_SECOND = 40


def likeness(one: bytes, other: bytes, rate: int) -> float:
    """From -1 to 1: how alike two pieces of PCM are in the course of loudness and of zero crossings (vowels
    have few, s and f have many). The same words by the same voice are above 0.8, other words far below."""
    pairs = zip(_features(one, rate), _features(other, rate), strict=True)
    return min(_correlation(a, b) for a, b in pairs)


@lru_cache(maxsize=8)
def _features(pcm: bytes, rate: int) -> tuple[list[float], list[float]]:
    samples = array("h", pcm)
    size = rate // _FRAMES_PER_SECOND
    frames = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    loudness = [math.log(1 + sum(abs(s) for s in frame) / size) for frame in frames]
    crossings = [float(sum((a < 0) != (b < 0) for a, b in pairwise(frame))) for frame in frames]
    return loudness, crossings


def _correlation(a: list[float], b: list[float]) -> float:
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    mean_a, mean_b = sum(a) / count, sum(b) / count
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return both / spread if spread else 0.0


async def speech(text: str, voice: str = "alloy", speed: float = 1.0) -> bytes:
    """Real speech as PCM of 22,050 Hz."""
    engine = EspeakEngine()
    chosen = await engine.voice(voice)
    return b"".join([chunk async for chunk in engine.speak(text, chosen, speed)])


def speech_now(text: str) -> bytes:
    """The same for code that is not async, wherever it runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, speech(text)).result()


async def speech_in(language: str, text: str, speed: float = 1.0) -> bytes:
    """Real speech by a voice of the language."""
    engine = EspeakEngine()
    voice = await engine.in_language(await engine.voice("alloy"), language)
    assert voice is not None
    return b"".join([chunk async for chunk in engine.speak(text, voice, speed)])
