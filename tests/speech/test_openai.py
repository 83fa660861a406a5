"""Servers with OpenAI's `/audio/speech`: a fake with real speech and all faults."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest

from millrace.errors import InvalidRequest, ProviderError
from millrace.speech.openai import OpenAiEngine
from tests.fakes.model_server import Gate, Script
from tests.fakes.speech_server import JSON, SpeechServer
from tests.speech.sound import speech

TEXT = "Nine ships sail past the old stone bridge."
BUSY = Script([b'{"error": {"message": "slow down"}}'], 429, JSON | {"retry-after": "0"})


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with SpeechServer() as running:
        yield running


@pytest.fixture
async def openai(server: SpeechServer) -> AsyncGenerator[OpenAiEngine, None]:
    async with httpx.AsyncClient() as client:
        yield OpenAiEngine(lambda: client, f"{server.url}/v1/", "sk-secret", pause=0.001)


async def say(openai: OpenAiEngine, speed: float = 1.0) -> bytes:
    voice = await openai.voice("nova")
    return b"".join([chunk async for chunk in openai.speak(TEXT, voice, speed)])


async def test_every_byte_of_a_sentence_arrives(openai: OpenAiEngine, server: SpeechServer) -> None:
    made = await say(openai, 1.5)
    asked = server.spoken[0]
    assert asked.path == "/v1/audio/speech"
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert asked.json == {
        "model": "gpt-4o-mini-tts",
        "input": TEXT,
        "voice": "nova",
        "response_format": "pcm",
        "speed": 1.5,
    }
    assert [made] == server.sounds
    assert len(made) / 48000 == pytest.approx(len(await speech(TEXT)) / 44100, rel=0.02)


async def test_first_bytes_are_given_while_the_server_still_speaks(
    openai: OpenAiEngine, server: SpeechServer
) -> None:
    silence = Gate()
    server.play(Script([b"\1\2\3\4", silence, b"\5\6"]))
    audio = openai.speak(TEXT, await openai.voice("nova"), 1.0)
    assert await anext(audio) == b"\1\2\3\4"
    silence.open()
    assert [chunk async for chunk in audio] == [b"\5\6"]


async def test_temporary_failure_before_the_first_byte_is_retried(
    openai: OpenAiEngine, server: SpeechServer
) -> None:
    server.play(BUSY, Script([], 503, JSON, cut=True))
    assert len(await say(openai)) > 48000
    assert len(server.spoken) == 3


async def test_busy_server_is_not_retried_for_ever(openai: OpenAiEngine, server: SpeechServer) -> None:
    server.play(*[BUSY] * 10)
    with pytest.raises(ProviderError, match="429") as raised:
        await say(openai)
    assert len(server.spoken) == 4
    assert raised.value.retryable


async def test_sentence_that_breaks_off_is_an_error_and_not_repeated(
    openai: OpenAiEngine, server: SpeechServer
) -> None:
    server.play(Script([b"\1\2" * 5000], cut=True))
    with pytest.raises(ProviderError, match="closed the connection"):
        await say(openai)
    assert len(server.spoken) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
async def test_words_of_the_server_are_logged_and_never_passed_on(
    openai: OpenAiEngine, server: SpeechServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    said = b'{"error": {"message": "Incorrect API key provided: sk-secret"}}'
    server.play(*[Script([said], status, JSON)] * 4)
    with pytest.raises((InvalidRequest, ProviderError)) as raised:
        await say(openai)
    assert "sk-secret" not in str(raised.value)
    assert "sk-secret" not in str(raised.value.__cause__ or "")
    assert "Incorrect API key provided" in caplog.text


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, b"bad key"), (404, b"no model"), (429, b'{"error": {"code": "insufficient_quota"}}')],
)
async def test_permanent_failure_is_not_retried(
    openai: OpenAiEngine, server: SpeechServer, status: int, said: bytes
) -> None:
    server.play(Script([said], status, JSON))
    with pytest.raises(ProviderError, match=str(status)):
        await say(openai)
    assert len(server.spoken) == 1


async def test_page_instead_of_sound_is_an_error(openai: OpenAiEngine, server: SpeechServer) -> None:
    server.play(Script([b"<html>"], 200, {"content-type": "text/html"}))
    with pytest.raises(ProviderError, match="check its address"):
        await say(openai)


async def test_check_asks_without_speaking(openai: OpenAiEngine, server: SpeechServer) -> None:
    await openai.check()  # a server that has no list of models may still speak
    server.refuse_key = True
    with pytest.raises(ProviderError, match="check its key"):
        await openai.check()
    assert server.spoken == []


async def test_unreachable_server_is_a_retryable_error() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(ProviderError, match="cannot be reached") as raised:
            await say(OpenAiEngine(lambda: client, "http://127.0.0.1:9/v1", pause=0.001))
    assert raised.value.retryable


async def test_listener_who_leaves_closes_the_connection(openai: OpenAiEngine, server: SpeechServer) -> None:
    server.play(Script([b"\1\2" * 128, Gate()]))
    audio = openai.speak(TEXT, await openai.voice("nova"), 1.0)
    await anext(audio)
    await audio.aclose()
    assert await asyncio.to_thread(server.spoken[0].disconnected.wait, 10)


@pytest.mark.parametrize("name", ["", "a b", "x\r\ny", "x" * 200, "ü"])
async def test_invalid_voice_name_is_not_passed_on(openai: OpenAiEngine, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await openai.voice(name)


async def test_voices_of_other_servers_are_passed_on(openai: OpenAiEngine) -> None:
    assert (await openai.voice("af_bella+af_sky")).native == "af_bella+af_sky"
