"""Piper, with the voice from its extra."""

import threading

import pytest

from millrace.speech.engine import OPENAI_VOICES
from millrace.speech.piper import PiperEngine, has_voices
from tests.speech.sound import speech_in

TEXT = "Nine ships sail past the old stone bridge on a Sunday afternoon."


@pytest.fixture(scope="module")
def piper() -> PiperEngine:
    assert has_voices("")
    return PiperEngine()


async def say(piper: PiperEngine, text: str, voice: str = "alloy", speed: float = 1.0) -> bytes:
    chosen = await piper.voice(voice)
    return b"".join([chunk async for chunk in piper.speak(text, chosen, speed)])


async def test_sentence_is_spoken_at_the_pace_of_a_person(piper: PiperEngine) -> None:
    said = await say(piper, TEXT)
    assert 2.5 < len(said) / 44_100 < 6
    assert max(said) > 100  # is no silence
    assert 0.4 < len(await say(piper, TEXT, speed=2.0)) / len(said) < 0.8


async def test_every_name_of_openai_is_a_natural_voice(piper: PiperEngine) -> None:
    assert {(await piper.voice(name)).native for name in OPENAI_VOICES} == {"en_US-joe-medium"}


@pytest.mark.parametrize("language", ["zh", "de-AT", "ar"])
async def test_language_without_a_voice_of_piper_is_left_to_espeak(piper: PiperEngine, language: str) -> None:
    text = {"zh": "今天天气很好。", "ar": "اليوم الطقس جميل."}.get(language, "Neun Schiffe segeln.")
    voice = await piper.in_language(await piper.voice("alloy"), language)
    assert voice is not None
    said = b"".join([chunk async for chunk in piper.speak(text, voice, 1.0)])
    assert len(said) == pytest.approx(len(await speech_in(language, text)), rel=0.05)


async def test_listener_who_left_while_the_sentence_waited_costs_nothing(piper: PiperEngine) -> None:
    left = threading.Event()
    left.set()
    assert piper._say(TEXT, "en_US-joe-medium", 1.0, left) == b""


async def test_words_are_told_by_espeak_only(piper: PiperEngine) -> None:
    assert await piper.words(TEXT, await piper.voice("alloy"), 1.0) is None
    assert await piper.words("Neun Schiffe.", await piper.voice("de"), 1.0)
