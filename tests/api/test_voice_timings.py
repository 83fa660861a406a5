"""Words and their times together with the audio."""

import base64
from typing import Any

import httpx
import pytest

from millrace.settings import Settings
from millrace.speech.engines import SpeechConfig
from tests.api.talk import error_of
from tests.api.voicing import SPEECH, server, voice, voice_client
from tests.fakes.model_server import Script
from tests.fakes.speech_server import SpeechServer
from tests.speech.programs import seconds_of
from tests.sse import read_events
from tests.tokens import Issuer

__all__ = ["server", "voice"]

TEXT = "Nine ships sail past. It is a Sunday afternoon, and 很好！"


def sent(body: str) -> list[dict[str, Any]]:
    return [event.data for event in read_events(body.splitlines())]


def timed(client: httpx.Client, text: str = TEXT) -> tuple[list[dict[str, Any]], bytes, float]:
    """The words, the audio, and the seconds that the end tells."""
    response = client.post(f"{SPEECH}?timings=true", json={"text": text, "format": "mp3"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = sent(response.text)
    audio = b"".join(base64.b64decode(event["audio"]) for event in events if event["type"] == "audio")
    words = [event for event in events if event["type"] == "words"]
    assert events[-1]["type"] == "done"
    return words, audio, events[-1]["seconds"]


def test_engine_tells_when_each_word_is_heard(voice: httpx.Client) -> None:
    timed_words, audio, seconds = timed(voice)
    words = [word for event in timed_words for word in event["words"]]
    assert [event["estimated"] for event in timed_words] == [False] * len(timed_words)
    assert [word["word"] for word in words][:4] == ["Nine", "ships", "sail", "past"]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    assert all(0 <= word["start"] <= word["end"] <= seconds for word in words)
    assert seconds_of(audio) == pytest.approx(seconds, abs=0.2)
    # The second sentence begins where the first has ended.
    assert words[4]["start"] >= words[3]["end"] - 0.01


def test_times_are_estimated_and_marked_so_where_the_engine_does_not_tell(
    settings: Settings, issuer: Issuer, organization: str, server: SpeechServer
) -> None:
    config = SpeechConfig("openai", f"{server.url}/v1", "sk")
    with voice_client(settings, issuer, organization, speech=config) as client:
        timed_words, _, seconds = timed(client)
    words = [word for event in timed_words for word in event["words"]]
    assert all(event["estimated"] for event in timed_words)
    assert [word["word"] for word in words][-3:] == ["and", "很", "好"]
    assert all(0 <= word["start"] < word["end"] <= seconds for word in words)


def test_failure_after_the_first_sound_is_an_event(
    settings: Settings, issuer: Issuer, organization: str, server: SpeechServer
) -> None:
    config = SpeechConfig("openai", f"{server.url}/v1", "sk")
    server.play(Script([b"\1\2" * 48_000]), Script([b"{}"], 401))
    with voice_client(settings, issuer, organization, speech=config) as client:
        body = {"text": "One sentence. Another one.", "format": "pcm"}
        events = sent(client.post(f"{SPEECH}?timings=true", json=body).text)
        assert (events[0]["type"], events[-1]["code"]) == ("audio", "speech_failed")
        server.play(Script([b"{}"], 401))
        refused = client.post(f"{SPEECH}?timings=true", json=body)
        assert error_of(refused) == (502, "speech_failed")
