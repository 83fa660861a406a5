"""Any server with OpenAI's `POST /audio/speech`: OpenAI itself, Kokoro-FastAPI, vLLM, LocalAI.

Its `pcm` is 24 kHz, signed 16 bit, little endian, one channel
(https://platform.openai.com/docs/api-reference/audio/createSpeech).
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from millrace.errors import InvalidRequest, ProviderError
from millrace.speech.engine import OPENAI_VOICES, Voice, Word, unknown_voice
from millrace.speech.received import samples

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

_TRIES = 4
_RETRY = frozenset({408, 409, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 5.0
_ERROR_BYTES = 16 * 1024
_MEANING = {
    401: " (check its key)",
    403: " (check its key)",
    404: " (check its address and model)",
    429: " (too many requests, or no credit left)",
}
_VOICE = re.compile(r"[A-Za-z0-9][\w.+:/()-]{0,127}", re.ASCII)


class OpenAiEngine:
    """See `engine.Engine`.

    Servers have their own voices that cannot be listed, so any plausible name is passed on. `pause` is the
    first wait (seconds) before a sentence is requested again; it doubles.
    """

    name = "openai"
    paid = True
    sample_rate = 24000
    slowest, fastest = 0.25, 4.0

    def __init__(
        self,
        client: "Callable[[], httpx.AsyncClient]",
        base_url: str,
        api_key: str = "",
        model: str = "gpt-4o-mini-tts",
        pause: float = 0.25,
    ) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._url = f"{self._base_url}/audio/speech"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._model = model
        self._pause = pause

    async def check(self) -> None:
        """See `engine.Engine`. The list of models is free, and rejects a wrong key."""
        import httpx

        try:
            answer = await self._client().get(f"{self._base_url}/models", headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _broken(error) from error
        if answer.status_code in (401, 403):
            raise _failure(answer.status_code)

    async def voices(self) -> list[Voice]:
        """See `engine.Engine`."""
        return [Voice(name, name, name.capitalize()) for name in OPENAI_VOICES]

    async def voice(self, name: str) -> Voice:
        """See `engine.Engine`."""
        if not _VOICE.fullmatch(name):
            raise unknown_voice(name, self.name)
        return Voice(name, name, name)

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """See `engine.Engine`. Its models detect the language from the text."""
        return voice

    async def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """See `engine.Engine`."""
        body = {"model": self._model, "input": text, "voice": voice.native, "response_format": "pcm"}
        async with self._accepted(body | ({} if speed == 1 else {"speed": speed})) as response:
            kind = response.headers.get("content-type", "")
            async with aclosing(samples(kind, _bytes(response), self.sample_rate)) as pcm:
                async for chunk in pcm:
                    yield chunk

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """See `engine.Engine`. The protocol does not support it."""
        return None

    @asynccontextmanager
    async def _accepted(self, body: dict[str, Any]) -> "AsyncIterator[httpx.Response]":
        """Yield a response with status 200, retrying failures that may be temporary."""
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            try:
                async with self._answer(body) as response:
                    if response.status_code == 200:
                        yield response
                        return
                    failure = await _refusal(response)
                    if response.status_code in (400, 422):
                        raise InvalidRequest(
                            "The speech server refused this text, voice or speed; the log has its reason.",
                            code="speech_refused",
                        )
            except _Unreachable as unreached:
                failure = unreached.failure
            if last or not failure.retryable:
                raise failure
            await asyncio.sleep(min(failure.retry_after or self._pause * 2 ** (attempt - 1), _LONGEST_WAIT))

    @asynccontextmanager
    async def _answer(self, body: dict[str, Any]) -> "AsyncIterator[httpx.Response]":
        import httpx

        headers = self._headers | {"accept-encoding": "identity"}
        begun = False
        try:
            async with self._client().stream("POST", self._url, headers=headers, json=body) as response:
                begun = response.status_code == 200
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = _broken(error)
            # After audio was heard, a retry would repeat it.
            raise failure if begun else _Unreachable(failure) from error

    async def close(self) -> None:
        """See `engine.Engine`. The client belongs to the caller."""


class _Unreachable(Exception):
    """The network failed before an answer began."""

    def __init__(self, failure: ProviderError) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def _bytes(response: "httpx.Response") -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_raw():
        yield chunk


async def _refusal(response: "httpx.Response") -> ProviderError:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _ERROR_BYTES:
            break
    status = response.status_code
    # The text is for the operator: some servers repeat the key or the whole request in it.
    log.warning("The speech server answered %d: %s", status, body[:500].decode(errors="replace").strip())
    wait = response.headers.get("retry-after", "")
    return _failure(
        status,
        retryable=status in _RETRY and b"insufficient_quota" not in body,
        retry_after=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def _failure(status: int, *, retryable: bool = False, retry_after: float | None = None) -> ProviderError:
    return ProviderError(
        f"The speech server returned {status}{_MEANING.get(status, '')}.",
        code="speech_failed",
        retryable=retryable,
        retry_after=retry_after,
        http_status=status,
    )


def _broken(error: Exception) -> ProviderError:
    log.warning(
        "The speech server is unreachable or closed the connection: %s", error or type(error).__name__
    )
    return ProviderError(
        "The speech server cannot be reached, or closed the connection.", code="speech_failed", retryable=True
    )
