"""Speech that its listener stops or abandons."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from millrace.settings import Settings
from millrace.speech.engines import SpeechConfig
from tests.api.talk import error_of
from tests.api.voicing import SPEECH, server, voice_client
from tests.fakes.speech_server import SpeechServer
from tests.tokens import Issuer

__all__ = ["server"]

TEXT = " ".join(f"Number {n} of many ships sails past the old stone bridge." for n in range(200))
BYTES_PER_SECOND = 48_000


@pytest.fixture
def paid(
    settings: Settings, issuer: Issuer, organization: str, server: SpeechServer
) -> Iterator[httpx.Client]:
    config = SpeechConfig("openai", f"{server.url}/v1", "sk")
    with voice_client(settings, issuer, organization, speech=config) as client:
        yield client


def seconds_made(server: SpeechServer) -> float:
    return sum(map(len, server.sounds)) / BYTES_PER_SECOND


def test_stopped_speech_ends_and_its_engine_with_it(paid: httpx.Client, server: SpeechServer) -> None:
    with paid.stream("POST", SPEECH, json={"text": TEXT, "format": "mp3"}) as response:
        parts = response.iter_raw()
        next(parts)
        before = seconds_made(server)
        stopped = paid.post(f"/api/voice/streams/{response.headers['x-stream-id']}/stop")
        assert (stopped.status_code, stopped.json()["state"]) == (202, "stopping")
        for _ in parts:  # ends as a whole file does, not with a cut
            pass
    assert seconds_made(server) - before <= 5
    assert len(server.spoken) < 5


def test_left_speech_makes_at_most_five_seconds_more(paid: httpx.Client, server: SpeechServer) -> None:
    with paid.stream("POST", SPEECH, json={"text": TEXT, "format": "mp3"}) as response:
        next(response.iter_raw())
        before = seconds_made(server)
    assert not threading.Event().wait(6)  # in which an engine that nobody stopped would have gone on
    assert seconds_made(server) - before <= 5


def test_only_the_speaker_can_stop(
    paid: httpx.Client, server: SpeechServer, issuer: Issuer, organization: str
) -> None:
    text = "Nine ships sail past. The old stone bridge. It is Sunday."
    with paid.stream("POST", SPEECH, json={"text": text, "format": "pcm"}) as response:
        path = f"/api/voice/streams/{response.headers['x-stream-id']}/stop"
        colleague = issuer.headers(organization, sub="a-colleague")
        assert paid.post(path, headers=colleague).status_code == 202
        size = sum(map(len, response.iter_raw()))
    assert size == sum(map(len, server.sounds))
    assert len(server.sounds) == 3


def test_stop_checks_its_id_and_scope(paid: httpx.Client, issuer: Issuer, organization: str) -> None:
    assert error_of(paid.post("/api/voice/streams/a%23b/stop")) == (404, "stream_not_found")
    other = issuer.headers(organization, scope="chat")
    assert error_of(paid.post("/api/voice/streams/spk_1/stop", headers=other)) == (403, "missing_scope")
