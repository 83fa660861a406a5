"""Amazon Polly: a fake with its protocol, real speech and all faults."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from millrace.errors import InvalidRequest, MillraceError, ProviderError
from millrace.speech.ahead import spoken
from millrace.speech.engine import OPENAI_VOICES
from millrace.speech.polly import PollyEngine
from millrace.speech.sentences import sentences_of
from millrace.stores.aws import Aws
from tests.fakes.model_server import Gate, Script
from tests.fakes.speech_server import SpeechServer, refusal
from tests.speech.sound import speech

TEXT = "Nine ships sail past the old stone bridge."


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with SpeechServer() as running:
        yield running


@pytest.fixture
async def polly(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> PollyEngine:
    monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    return PollyEngine(Aws("eu-central-1"))


async def say(polly: PollyEngine, text: str, voice: str = "alloy", speed: float = 1.0) -> bytes:
    chosen = await polly.voice(voice)
    return b"".join([chunk async for chunk in polly.speak(text, chosen, speed)])


async def test_every_byte_of_a_sentence_arrives(polly: PollyEngine, server: SpeechServer) -> None:
    made = await say(polly, TEXT)
    asked = server.spoken[0].json
    assert asked == {
        "Engine": "neural",
        "VoiceId": "Joanna",
        "OutputFormat": "pcm",
        "SampleRate": "16000",
        "TextType": "text",
        "Text": TEXT,
    }
    assert [made] == server.sounds
    assert len(made) / 32000 == pytest.approx(len(await speech(TEXT)) / 44100, rel=0.02)


async def test_first_bytes_are_given_while_polly_still_speaks(
    polly: PollyEngine, server: SpeechServer
) -> None:
    silence = Gate()
    server.play(Script([b"\1\2" * 128, silence, b"\3\4" * 5000]))
    audio = polly.speak(TEXT, await polly.voice("Joanna"), 1.0)
    assert await anext(audio) == b"\1\2" * 128
    assert await asyncio.to_thread(silence.reached.wait, 10)
    silence.open()
    assert b"".join([chunk async for chunk in audio]) == b"\3\4" * 5000


async def test_next_sentence_is_asked_for_while_one_is_heard(
    polly: PollyEngine, server: SpeechServer
) -> None:
    gates = Gate(), Gate()
    server.play(*(Script([b"\1\1" * 128, gate]) for gate in gates))
    voice = await polly.voice("Joanna")

    async def sentences() -> AsyncGenerator[str, None]:
        for sentence in sentences_of("One is heard. The next is made. A third waits."):
            yield sentence

    audio = spoken(lambda sentence: polly.speak(sentence, voice, 1.0), sentences())
    assert await anext(audio) == b"\1\1" * 128
    for gate in gates:
        assert await asyncio.to_thread(gate.reached.wait, 10)
    asked = {exchange.json["Text"] for exchange in server.spoken}
    assert asked == {"One is heard.", "The next is made."}
    for gate in gates:
        gate.open()
    await audio.aclose()


async def test_throttling_is_repeated_before_the_first_byte(polly: PollyEngine, server: SpeechServer) -> None:
    server.play(refusal(400, "ThrottlingException", "Rate exceeded"))
    assert len(await say(polly, TEXT)) > 32000
    assert len(server.spoken) == 2


async def test_sentence_that_breaks_off_is_an_error(polly: PollyEngine, server: SpeechServer) -> None:
    server.play(Script([b"\1\2" * 5000], cut=True))
    with pytest.raises(ProviderError, match="closed the connection"):
        await say(polly, TEXT)


async def test_refusal_names_its_code_and_logs_its_words(
    polly: PollyEngine, server: SpeechServer, caplog: pytest.LogCaptureFixture
) -> None:
    words = "User: arn:aws:sts::123456789012:role/x is not authorized to perform polly:SynthesizeSpeech"
    server.play(refusal(403, "AccessDeniedException", words))
    with pytest.raises(ProviderError, match=r"Polly refused the request: AccessDeniedException\.$") as raised:
        await say(polly, TEXT)
    assert raised.value.http_status == 403
    assert words in caplog.text


async def test_sentence_is_never_longer_than_polly_takes(polly: PollyEngine, server: SpeechServer) -> None:
    for sentence in sentences_of("on and on & " * 300):
        await say(polly, sentence, speed=1.5)
    assert len(server.spoken) >= 12


async def test_pace_is_ssml_and_signs_are_escaped(polly: PollyEngine, server: SpeechServer) -> None:
    await say(polly, "a < b & c", speed=1.5)
    asked = server.spoken[0].json
    assert asked["TextType"] == "ssml"
    assert asked["Text"] == '<speak><prosody rate="150%">a &lt; b &amp; c</prosody></speak>'


async def test_voices_are_listed_to_the_last_page_and_only_once(
    polly: PollyEngine, server: SpeechServer
) -> None:
    names = [voice.id for voice in await polly.voices()]
    assert names == [*OPENAI_VOICES, "Joanna", "Matthew", "Vicki", "Ola"]
    assert (await polly.voice("vicki")).language == "de-DE"
    assert len(server.exchanges) == 2


async def test_every_name_of_openai_has_a_voice_in_every_region(polly: PollyEngine) -> None:
    """This region has two English voices."""
    natives = {name: (await polly.voice(name)).native for name in OPENAI_VOICES}
    assert {natives["nova"], natives["marin"], natives["alloy"]} == {"Joanna"}
    assert {natives["onyx"], natives["cedar"], natives["ash"]} == {"Matthew"}


@pytest.mark.parametrize(
    ("voice", "language", "native"),
    [
        ("alloy", "de", "Vicki"),
        ("ash", "de-AT", "Vicki"),
        ("alloy", "pl", "Ola"),
        ("ash", "en-GB", "Matthew"),
        ("Vicki", "en", "Joanna"),
    ],
)
async def test_another_language_gets_the_voice_that_is_most_like_it(
    polly: PollyEngine, voice: str, language: str, native: str
) -> None:
    found = await polly.in_language(await polly.voice(voice), language)
    assert found is not None
    assert found.native == native


async def test_language_without_a_voice_has_none(polly: PollyEngine) -> None:
    assert await polly.in_language(await polly.voice("alloy"), "zh") is None


async def test_words_come_from_speech_marks(polly: PollyEngine, server: SpeechServer) -> None:
    marks = b"".join(
        b'{"time":%d,"type":"word","start":0,"end":4,"value":"%s"}\n' % mark
        for mark in ((0, b"Nine"), (300, b"ships"), (700, b"sail"))
    )
    server.play(Script([marks]))
    words = await polly.words("Nine ships sail.", await polly.voice("Joanna"), 1.0)
    assert server.spoken[0].json["SpeechMarkTypes"] == ["word"]
    assert words is not None
    assert [(word.text, word.start) for word in words] == [("Nine", 0.0), ("ships", 0.3), ("sail", 0.7)]
    assert [word.end for word in words[:2]] == [0.3, 0.7]


async def test_voice_that_lacks_the_wanted_kind_speaks_with_what_it_has(
    polly: PollyEngine, server: SpeechServer
) -> None:
    await say(polly, TEXT, "Ola")
    assert server.spoken[0].json["Engine"] == "standard"


async def test_unknown_voice_is_refused(polly: PollyEngine) -> None:
    with pytest.raises(InvalidRequest, match="has no voice 'Nobody'"):
        await polly.voice("Nobody")


async def test_listener_who_leaves_closes_the_connection(polly: PollyEngine, server: SpeechServer) -> None:
    slowly: list[bytes | float | Gate] = [b"\1\2" * 128, 0.01]
    server.play(Script(slowly * 3000))
    audio = polly.speak(TEXT, await polly.voice("Joanna"), 1.0)
    await anext(audio)
    await audio.aclose()
    assert await asyncio.to_thread(server.spoken[0].disconnected.wait, 10)


async def test_unreachable_server_is_a_retryable_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with pytest.raises(MillraceError) as raised:
        await PollyEngine(Aws("eu-central-1")).voices()
    assert raised.value.retryable
