"""Speech in the language of the text."""

import asyncio

import httpx
import pytest

from millrace.settings import Settings
from millrace.speech.engines import SpeechConfig
from tests.api.talk import error_of
from tests.api.voicing import SPEECH, TEXT, server, voice, voice_client
from tests.fakes.speech_server import SpeechServer
from tests.speech.programs import decoded, run
from tests.speech.sound import likeness, speech, speech_in
from tests.tokens import Issuer

__all__ = ["server", "voice"]


def likeness_to_espeak(pcm: bytes, voice: str, text: str) -> float:
    """Compare with what the program espeak-ng says in this voice, at the best of some small shifts."""
    wanted = run("espeak-ng", "-v", voice, "--stdout", text)[44:]
    return max(likeness(pcm[at:], wanted, 22050) for at in range(0, 5000, 100))


@pytest.mark.parametrize(
    ("text", "language", "voice_of_espeak"),
    [
        ("اليوم الطقس جميل جدا وذهبنا إلى الحديقة للتنزه.", "", "ar"),
        ("Neun Schiffe segeln am Sonntag an der alten Brücke vorbei.", "de-DE", "de"),
    ],
)
def test_alias_speaks_the_language_of_the_text(
    voice: httpx.Client, text: str, language: str, voice_of_espeak: str
) -> None:
    asked = {"text": text, "voice": "alloy", "format": "wav"} | ({"language": language} if language else {})
    heard = decoded(voice.post(SPEECH, json=asked).content, 22050)
    # 0.795 at the least that was seen: where a piece begins depends on what espeak has said before.
    assert likeness_to_espeak(heard, voice_of_espeak, text) > 0.75
    assert likeness_to_espeak(heard, "en-us", text) < 0.7


async def test_chinese_is_read_and_not_spelled(voice: httpx.Client) -> None:
    """The program and the library read Chinese by other dictionaries, so they cannot be compared."""
    text = "今天天气很好，我们去公园散步，看到很多花。"
    asked = {"text": text, "format": "pcm"}
    heard = (await asyncio.to_thread(voice.post, SPEECH, json=asked)).content
    assert likeness(heard, await speech_in("zh", text), 22050) > 0.9
    assert len(heard) < 0.5 * len(await speech(text))  # "Chinese letter, Chinese letter, ..."


async def test_each_sentence_of_a_mixed_text_has_its_own_voice(voice: httpx.Client) -> None:
    english, arabic = "Nine ships sail past the bridge.", "اليوم الطقس جميل جدا وذهبنا إلى الحديقة للتنزه."
    asked = {"text": f"{english} {arabic}", "format": "pcm"}
    heard = (await asyncio.to_thread(voice.post, SPEECH, json=asked)).content
    first = len(await speech(english))
    # Pauses between sentences are not those of the program: two are less alike than one.
    assert likeness_to_espeak(heard[:first], "en-us", english) > 0.7
    assert likeness_to_espeak(heard[first:], "ar", arabic) > 0.7


@pytest.mark.parametrize("name", ["zh", "fr", "de-DE", "pt-BR", "no", "cedar", "marin", "NOVA"])
def test_voice_is_named_by_alias_or_by_language(voice: httpx.Client, name: str) -> None:
    assert voice.post(SPEECH, json={"text": "1, 2, 3.", "voice": name}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"text": "ສະບາຍດີ"}, "unsupported_language"),
        ({"text": "Hello.", "language": "km"}, "unsupported_language"),
        ({"text": "Hello.", "language": "x" * 65}, "invalid_request"),
        ({"text": "Hello.", "language": "../../etc"}, "invalid_request"),
    ],
)
def test_language_that_no_voice_speaks_is_refused(
    voice: httpx.Client, asked: dict[str, str], code: str
) -> None:
    assert error_of(voice.post(SPEECH, json=asked)) == (422, code)


def test_engines_are_available_when_a_call_can_work(
    settings: Settings,
    issuer: Issuer,
    organization: str,
    server: SpeechServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", "http://127.0.0.1:9")
    config = SpeechConfig("espeak", f"{server.url}/v1", "sk")
    with voice_client(settings, issuer, organization, speech=config) as client:
        assert available(client)["polly"] is False
        assert available(client)["openai"] is True
        server.refuse_key = True
        assert available(client)["openai"] is False
        monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", server.url)
    with voice_client(settings, issuer, organization, speech=config) as client:
        assert available(client)["polly"] is True


def available(client: httpx.Client) -> dict[str, bool]:
    engines = client.get("/api/voice/voices").json()["engines"]
    assert all((engine["missing"] is None) is engine["available"] for engine in engines)
    return {engine["id"]: engine["available"] for engine in engines}


def test_long_text_is_refused_before_any_byte_where_it_cannot_be_finished(voice: httpx.Client) -> None:
    asked = {"text": (TEXT + " ") * 1150, "format": "pcm"}
    refused = voice.post(SPEECH, json=asked)
    assert error_of(refused) == (413, "speech_too_long")
    assert 0 < refused.json()["error"]["limit"] < len(str(asked["text"]))
