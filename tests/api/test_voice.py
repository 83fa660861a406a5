"""Text to speech over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from msgspec.structs import replace

from millrace.settings import Settings
from millrace.speech.encoders import FORMATS
from millrace.speech.engines import SpeechConfig
from tests.api.talk import error_of
from tests.api.voicing import SPEECH, TEXT, server, voice, voice_client
from tests.effort import effort, soak
from tests.fakes.model_server import Gate, Script
from tests.fakes.speech_server import SpeechServer
from tests.speech.programs import decoded, run, seconds_of
from tests.speech.sound import likeness, speech
from tests.tokens import Issuer

__all__ = ["server", "voice"]

LONG = effort(20_000, 100_000)
"""Characters; the latter are the most that a request may have."""


@pytest.fixture
def remote(
    settings: Settings, issuer: Issuer, organization: str, server: SpeechServer
) -> Iterator[httpx.Client]:
    """The app whose engine is a server that the test plays."""
    config = SpeechConfig("openai", f"{server.url}/v1", "sk")
    with voice_client(settings, issuer, organization, speech=config) as client:
        yield client


async def test_reference_request_plays_as_mp3_and_says_its_text(voice: httpx.Client) -> None:
    asked = {"text": TEXT, "voice": "alloy", "format": "mp3"}
    response = await asyncio.to_thread(voice.post, SPEECH, json=asked)
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/mpeg"
    assert b"mp3" in run("ffprobe", "-v", "error", "-show_format", "pipe:0", given=response.content)
    spoken = await speech(TEXT)
    assert seconds_of(response.content) == pytest.approx(len(spoken) / 44100, rel=0.03)
    heard = decoded(response.content, 22050)
    assert max(likeness(heard[at:], spoken, 22050) for at in range(0, 5000, 100)) > 0.8


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pcm"])
def test_every_format_plays_and_has_its_content_type(voice: httpx.Client, name: str) -> None:
    response = voice.post(SPEECH, json={"text": TEXT, "format": name})
    assert response.headers["content-type"] == FORMATS[name].media_type
    assert "x-sample-rate" not in response.headers
    assert seconds_of(response.content) == pytest.approx(3.8, rel=0.1)


def test_pcm_tells_its_rate(voice: httpx.Client) -> None:
    response = voice.post(SPEECH, json={"text": TEXT, "format": "pcm"})
    assert response.headers["content-type"] == "audio/pcm"
    rate = int(response.headers["x-sample-rate"])
    assert len(response.content) / 2 / rate == pytest.approx(3.8, rel=0.1)


@soak
def test_long_text_is_spoken_to_the_end(voice: httpx.Client) -> None:
    sentence = "Word by word it goes. "
    size = 0
    with voice.stream(
        "POST", SPEECH, json={"text": (sentence * 5000)[:LONG], "format": "wav", "speed": 4}
    ) as response:
        for part in response.iter_raw():
            size += len(part)
    one = len(voice.post(SPEECH, json={"text": sentence, "format": "pcm", "speed": 4}).content)
    assert size == pytest.approx(one * LONG / len(sentence), rel=0.05)


def test_twenty_at_once_are_all_served_whole(voice: httpx.Client) -> None:
    text = (TEXT + " ") * 10

    def listen(number: int) -> int:
        return len(voice.post(SPEECH, json={"text": text, "format": "pcm"}).content)

    with ThreadPoolExecutor(20) as listeners:
        sizes = list(listeners.map(listen, range(20)))
    assert min(sizes) == pytest.approx(max(sizes), rel=0.02)
    assert min(sizes) > 30 * 44100


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"text": ""}, 422, "invalid_request"),
        ({"text": "  ... \n"}, 422, "empty_text"),
        ({"text": "x" * 100_001}, 422, "invalid_request"),
        ({"voice": "alloy"}, 422, "invalid_request"),
        ({"text": "Hi", "voice": "nobody"}, 422, "unknown_voice"),
        ({"text": "Hi", "voice": "../../../etc/passwd"}, 422, "unknown_voice"),
        ({"text": "Hi", "format": "midi"}, 422, "unknown_format"),
        ({"text": "Hi", "engine": "festival"}, 422, "unknown_engine"),
        ({"text": "Hi", "engine": "openai"}, 501, "engine_missing"),
        ({"text": "Hi", "speed": 0.1}, 422, "invalid_request"),
        ({"text": "Hi", "speed": 5}, 422, "invalid_request"),
        ({"text": "Hi", "pitch": 5}, 422, "invalid_request"),
    ],
)
def test_unspeakable_request_is_refused_before_any_byte(
    voice: httpx.Client, asked: dict[str, object], status: int, code: str
) -> None:
    assert error_of(voice.post(SPEECH, json=asked)) == (status, code)


def test_missing_codec_is_501_and_names_the_extra(
    voice: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "opus", replace(FORMATS["opus"], needs="a_module_that_is_not_there"))
    response = voice.post(SPEECH, json={"text": "Hi", "format": "opus"})
    assert error_of(response) == (501, "codec_missing")
    assert "millrace[voice-all]" in response.json()["error"]["message"]


def test_endpoint_needs_a_token_with_the_scope(
    voice: httpx.Client, issuer: Issuer, organization: str
) -> None:
    asked = {"text": "Hi"}
    assert error_of(voice.post(SPEECH, json=asked, headers={"authorization": ""}))[0] == 401
    other = issuer.headers(organization, scope="chat")
    assert error_of(voice.post(SPEECH, json=asked, headers=other)) == (403, "missing_scope")


def test_voices_formats_and_engines_are_listed(voice: httpx.Client) -> None:
    listed = voice.get("/api/voice/voices").json()
    assert listed["engine"] == "espeak"
    assert [voice["id"] for voice in listed["voices"]][:2] == ["alloy", "ash"]
    assert {"id": "mp3", "contentType": "audio/mpeg", "available": True} in listed["formats"]
    available = {engine["id"]: engine["available"] for engine in listed["engines"]}
    assert available == {"espeak": True, "piper": True, "polly": False, "openai": False}


def test_first_bytes_leave_while_the_engine_still_speaks(remote: httpx.Client, server: SpeechServer) -> None:
    silence = Gate()
    server.play(Script([b"\1\2" * 8192, silence]))
    with remote.stream("POST", SPEECH, json={"text": "One sentence.", "format": "mp3"}) as response:
        parts = response.iter_raw()
        assert next(parts)
        assert silence.reached.wait(10)
        silence.open()
        assert b"".join(parts)


def test_engine_that_fails_before_the_first_byte_is_an_http_error(
    remote: httpx.Client, server: SpeechServer
) -> None:
    server.play(Script([b"no such model of sk"], 404, {"content-type": "text/plain"}))
    response = remote.post(SPEECH, json={"text": "One sentence."})
    assert error_of(response) == (502, "speech_failed")
    assert "no such model" not in response.text


@pytest.mark.parametrize("name", FORMATS)
def test_engine_that_fails_later_cuts_the_connection(
    remote: httpx.Client, server: SpeechServer, name: str
) -> None:
    server.play(Script([b"\1\2" * 20000]), Script([b"\1\2" * 5000], cut=True))
    asked = {"text": "First sentence. Second sentence.", "format": name}
    with remote.stream("POST", SPEECH, json=asked) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()


def test_client_that_leaves_frees_its_engine(remote: httpx.Client, server: SpeechServer) -> None:
    server.play(Script([b"\1\2" * 8192, Gate()]), Script([Gate()]))
    with remote.stream("POST", SPEECH, json={"text": "First one. Second one.", "format": "pcm"}) as response:
        next(response.iter_raw())
    for exchange in server.spoken:
        assert exchange.disconnected.wait(10)


async def test_client_that_leaves_before_the_first_byte_frees_its_engine(
    remote: httpx.Client, server: SpeechServer
) -> None:
    silence = Gate()
    server.play(Script([silence]))
    async with httpx.AsyncClient(base_url=remote.base_url, headers=remote.headers) as client:
        asking = asyncio.create_task(client.post(SPEECH, json={"text": "One sentence."}, timeout=60))
        assert await asyncio.to_thread(silence.reached.wait, 30)
        asking.cancel()
        await asyncio.wait({asking})
    assert await asyncio.to_thread(server.spoken[0].disconnected.wait, 30)


# --- OpenAI's way ----------------------------------------------------------------------------------


@pytest.fixture
def client(voice: httpx.Client) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    token = voice.headers["authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{voice.base_url}/v1", api_key=token, max_retries=0) as client:
        yield client


def test_openais_client_gets_mp3(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="coral", input=TEXT, instructions="Cheerful, please."
    ) as response:
        assert seconds_of(response.read()) == pytest.approx(3.8, rel=0.1)


def test_openais_pcm_has_the_rate_that_its_clients_play(client: openai.OpenAI, voice: httpx.Client) -> None:
    made = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm").content
    assert len(made) / 48000 == pytest.approx(3.8, rel=0.1)


def test_openais_client_understands_a_refusal(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="has no voice"):
        client.audio.speech.create(model="tts-1", voice="nobody", input=TEXT)


def test_model_with_the_name_of_an_engine_chooses_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="OPENAI_API_KEY") as raised:
        client.audio.speech.create(model="openai", voice="alloy", input=TEXT)
    assert raised.value.status_code == 501


def test_polly_is_served_as_it_speaks(
    settings: Settings,
    issuer: Issuer,
    organization: str,
    server: SpeechServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", server.url)
    with voice_client(settings, issuer, organization, speech=SpeechConfig("polly")) as client:
        made = client.post(SPEECH, json={"text": TEXT, "voice": "ash", "format": "flac"}).content
        assert seconds_of(made) == pytest.approx(3.8, rel=0.1)
        assert server.spoken[0].json["VoiceId"] == "Matthew"
        refused = client.post(SPEECH, json={"text": TEXT, "voice": "Zeina"})
        assert error_of(refused) == (422, "unknown_voice")
        too_fast = client.post(SPEECH, json={"text": TEXT, "speed": 3})
        assert error_of(too_fast) == (422, "unsupported_speed")


def test_voice_app_leaves_no_threads(settings: Settings, issuer: Issuer, organization: str) -> None:
    before = set(threading.enumerate())
    with voice_client(settings, issuer, organization) as client:
        client.post(SPEECH, json={"text": "Hi"})
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith(("polly", "aws"))]
