"""Speech of an agent's answer while it is written."""

import httpx
import pytest

from tests.api.talk import error_of, say, saying
from tests.api.voicing import voice
from tests.speech.programs import seconds_of
from tests.tokens import Issuer

__all__ = ["voice"]

FIRST, SECOND = "The first sentence is here.", "Then the second one follows."
PCM = {"format": "pcm"}


def path(run_id: str) -> str:
    return f"/api/voice/conversations/{run_id}/stream"


def run_of(chat: httpx.Client, content: str, conversation: str = "c1") -> str:
    return str(say(chat, content, conversation)[0].data["runId"])


def seconds(pcm: bytes) -> float:
    return len(pcm) / 44100


def spoken_alone(voice: httpx.Client, text: str) -> float:
    return seconds(voice.post("/api/voice/tts/stream", json=PCM | {"text": text}).content)


def test_headers_leave_before_the_agent_says_a_word(chat: httpx.Client, voice: httpx.Client) -> None:
    with saying(chat, f"/echo tools=0 delayMs=60000\n{FIRST}") as events:
        run_id = next(events).data["runId"]
        with voice.stream("POST", path(run_id), json=PCM) as response:
            assert response.status_code == 200
            assert response.headers["x-run-id"] == run_id
        assert chat.post("/api/conversations/c1/stop").status_code == 202


def test_sentence_is_heard_while_the_next_is_written_and_a_stop_ends_the_sound(
    chat: httpx.Client, voice: httpx.Client
) -> None:
    with saying(chat, f"/echo tools=0 tokens=1000 delayMs=100\n{FIRST} {SECOND}") as events:
        run_id = next(events).data["runId"]
        with voice.stream("POST", path(run_id), json=PCM) as response:
            parts = response.iter_raw()
            assert next(parts)
            assert chat.get(f"/api/runs/{run_id}").json()["state"] == "running"
            chat.post("/api/conversations/c1/stop")
            for _ in parts:
                pass
        assert list(events)[-1].data["finishReason"] == "stopped"


def test_answer_is_heard_from_the_log_when_the_run_has_ended(chat: httpx.Client, voice: httpx.Client) -> None:
    run_id = run_of(chat, f"{FIRST} {SECOND}")
    made = voice.post(path(run_id), json={"format": "mp3", "voice": "onyx"})
    assert seconds_of(made.content) == pytest.approx(spoken_alone(voice, f"{FIRST} {SECOND}"), rel=0.1)


def test_signs_and_code_are_not_read_aloud(chat: httpx.Client, voice: httpx.Client) -> None:
    written = (
        f"**{FIRST}**\n\n```python\nprint('never said, however long it may be, not once.')\n```\n{SECOND}"
    )
    heard = voice.post(path(run_of(chat, f"/echo tools=0\n{written}")), json=PCM).content
    alone = spoken_alone(voice, f"{FIRST} Code is shown here. {SECOND}")
    assert seconds(heard) == pytest.approx(alone, rel=0.05)


def test_run_that_fails_cuts_the_sound(chat: httpx.Client, voice: httpx.Client) -> None:
    run_id = run_of(chat, f"/echo tools=0 failAfter=6\n{FIRST} {SECOND}")
    with voice.stream("POST", path(run_id), json=PCM) as response:
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()


def test_audio_element_hears_a_run_with_a_ticket(chat: httpx.Client, voice: httpx.Client) -> None:
    run_id = run_of(chat, FIRST)
    made = voice.post("/api/stream-tickets", json={"path": path(run_id), "body": {"format": "wav"}}).json()
    heard = httpx.get(str(voice.base_url).rstrip("/") + made["url"])
    assert heard.headers["content-type"] == "audio/wav"
    assert seconds_of(heard.content) == pytest.approx(spoken_alone(voice, FIRST), rel=0.05)


@pytest.mark.parametrize("run_id", ["run_01ARZ3NDEKTSV4RRFFQ69G5FAV", "a%23b", "x" * 200])
def test_unknown_run_is_not_found(voice: httpx.Client, run_id: str) -> None:
    assert error_of(voice.post(path(run_id), json={})) == (404, "run_not_found")


def test_another_organizations_run_is_not_found(
    chat: httpx.Client, voice: httpx.Client, issuer: Issuer
) -> None:
    run_id = run_of(chat, FIRST)
    other = voice.post(path(run_id), json={}, headers=issuer.headers("someone-else"))
    assert error_of(other) == (404, "run_not_found")


def test_speaking_a_run_needs_the_scopes_to_read_and_to_speak(
    chat: httpx.Client, voice: httpx.Client, issuer: Issuer, organization: str
) -> None:
    run_id = run_of(chat, FIRST)
    for scope in ("voice", "chat"):
        refused = voice.post(path(run_id), json={}, headers=issuer.headers(organization, scope=scope))
        assert error_of(refused) == (403, "missing_scope")


def test_order_that_cannot_be_met_is_refused_before_any_byte(chat: httpx.Client, voice: httpx.Client) -> None:
    run_id = run_of(chat, FIRST)
    assert error_of(voice.post(path(run_id), json={"format": "midi"})) == (422, "unknown_format")
    assert error_of(voice.post(path(run_id), json={"voice": "nobody"})) == (422, "unknown_voice")


def test_answer_of_another_user_is_not_spoken(
    chat: httpx.Client, voice: httpx.Client, issuer: Issuer, organization: str
) -> None:
    run_id = run_of(chat, f"/echo tools=0\n{FIRST}")
    stranger = issuer.user(organization, "stranger", "customer")
    assert error_of(voice.post(path(run_id), json=PCM, headers=stranger)) == (404, "run_not_found")
    observer = issuer.user(organization, "stranger", "member")
    assert voice.post(path(run_id), json=PCM, headers=observer).status_code == 200
