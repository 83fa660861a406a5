"""The speech engines of a deployment: one is the default, and each is created on first use."""

import asyncio
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from millrace.errors import InvalidRequest, MillraceError, NotImplementedHere
from millrace.extensions import Extension, extension, names
from millrace.speech.engine import Engine
from millrace.stores.aws import Aws

if TYPE_CHECKING:
    import httpx

NAMES = ("espeak", "piper", "polly", "openai")
"""The built-in engines."""
_PROBE_SECONDS = 5


class SpeechConfig(Struct, frozen=True):
    """The default engine and the settings of each engine.

    `openai_base_url` is any server with OpenAI's `/audio/speech`, and `piper_voices` a folder with more of
    Piper's voices.
    """

    engine: str = "espeak"
    openai_base_url: str = "https://api.openai.com/v1"
    openai_api_key: str = ""
    openai_model: str = "gpt-4o-mini-tts"
    polly_engine: str = "neural"
    piper_voices: str = ""


def engine_names() -> tuple[str, ...]:
    """Return the built-in engines, and those of other packages."""
    return (*NAMES, *(name for name in names("speech_engines") if name not in NAMES))


class Engines:
    """Finds engines by name. Each is created once, and only if nothing is missing."""

    def __init__(self, config: SpeechConfig, aws: Aws, http: "Callable[[], httpx.AsyncClient]") -> None:
        self.default = config.engine
        self._config = config
        self._aws = aws
        self._http = http
        self._made: dict[str, Engine] = {}

    def get(self, name: str = "") -> Engine:
        """Return the engine of this name, or the default.

        Raises `InvalidRequest` for an unknown one, and `NotImplementedHere` for one that this deployment
        lacks.
        """
        name = name or self.default
        if name not in NAMES and name not in engine_names():
            raise InvalidRequest(
                f"Unknown engine {name[:40]!r}; there are {', '.join(engine_names())}.", code="unknown_engine"
            )
        if missing := self.missing(name):
            raise NotImplementedHere(missing, code="engine_missing")
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def missing(self, name: str) -> str:
        """Return what an engine lacks in this deployment, for people, or "" if it can be tried."""
        if name not in NAMES and (found := extension("speech_engines", name)):
            return f"The engine {name} of {found.package} cannot be used. {found.problem}" * bool(
                found.problem
            )
        needed = ("sentencex", "espeakng_loader") if name in ("espeak", "piper") else ("sentencex",)
        if not all(importlib.util.find_spec(module) for module in needed):
            return f"The engine {name} is not installed here: install millrace[voice]."
        config = self._config
        if name == "openai" and "api.openai.com" in config.openai_base_url and not config.openai_api_key:
            return "The engine openai needs OPENAI_API_KEY, or the address of another server."
        if name == "piper" and not _has_piper(config.piper_voices):
            return "The engine piper is not installed here: install millrace[voice-natural]."
        return ""

    async def unavailable(self, name: str) -> str:
        """Return the reason why an engine cannot work, as far as its service shows without cost, or ""."""
        if missing := self.missing(name):
            return missing
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self.get(name).check()
        except TimeoutError:
            return f"The engine {name} does not answer."
        except MillraceError as error:
            return error.message
        return ""

    def _make(self, name: str) -> Engine:
        if name not in NAMES and (found := extension("speech_engines", name)):
            return _added(found)
        config = self._config
        match name:
            case "espeak":
                from millrace.speech.espeak import EspeakEngine

                return EspeakEngine()
            case "piper":
                from millrace.speech.piper import PiperEngine

                return PiperEngine(config.piper_voices)
            case "polly":
                from millrace.speech.polly import PollyEngine

                return PollyEngine(self._aws, config.polly_engine)
        from millrace.speech.openai import OpenAiEngine

        return OpenAiEngine(self._http, config.openai_base_url, config.openai_api_key, config.openai_model)

    def warm(self) -> None:
        """Create the default engine during init, so that no request waits for it."""
        if self.default in NAMES and not self.missing(self.default):
            self.get()
        if self.default == "polly":
            self._aws.client("polly")
        if self.default == "openai":
            self._http()

    async def close(self) -> None:
        """Close the engines that were created."""
        for engine in self._made.values():
            await engine.close()


def _added(found: Extension) -> Engine:
    """Return an engine of another package. Raises `NotImplementedHere` if it cannot be created."""
    try:
        made: Engine = found.value()
    except Exception as error:  # other packages may raise anything
        raise NotImplementedHere(
            f"The engine {found.name} of {found.package} cannot be made: {type(error).__name__}: {error}"[
                :500
            ],
            code="engine_missing",
        ) from error
    return made


def _has_piper(folder: str) -> bool:
    if importlib.util.find_spec("piper") is None:
        return False
    from millrace.speech.piper import has_voices

    return has_voices(folder)
