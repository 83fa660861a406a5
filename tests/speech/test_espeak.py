"""The embedded engine."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import InvalidRequest
from millrace.speech.ahead import MAX_SENTENCE_BYTES
from millrace.speech.engine import OPENAI_VOICES
from millrace.speech.espeak import EspeakEngine, _library
from millrace.speech.sentences import LONGEST, clean
from tests.speech.programs import run
from tests.speech.sound import likeness, speech

FAR_DATA = """
import asyncio, sys, espeakng_loader
espeakng_loader.get_data_path = lambda: sys.argv[1]
from tests.speech.sound import speech
print(len(asyncio.run(speech("Hello there."))))
"""
TEXT = "Nine ships sail past the old stone bridge on a Sunday afternoon."
OTHER = "My uncle often cooks rice with tomatoes, pepper and a little salt."


def seconds(pcm: bytes) -> float:
    return len(pcm) / 44100


async def test_library_says_the_words_that_the_program_says() -> None:
    wanted = run("espeak-ng", "-v", "en-us", "--stdout", TEXT)[44:]
    other = run("espeak-ng", "-v", "en-us", "--stdout", OTHER)[44:]
    made = await speech(TEXT)
    assert seconds(made) == pytest.approx(seconds(wanted), rel=0.03)
    assert likeness(made, wanted, 22050) > 0.8
    assert likeness(made, other, 22050) < 0.5


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
async def test_speed_divides_the_duration(speed: float) -> None:
    usual, made = seconds(await speech(TEXT)), seconds(await speech(TEXT, speed=speed))
    assert made * speed == pytest.approx(usual, rel=0.2)


async def test_pace_does_not_stay_for_the_next_sentence() -> None:
    before = seconds(await speech(TEXT))
    await speech(TEXT, speed=0.25)
    assert seconds(await speech(TEXT)) == pytest.approx(before, rel=0.02)


async def test_every_name_of_openai_has_a_voice_of_its_own() -> None:
    engine = EspeakEngine()
    natives = {(await engine.voice(name)).native for name in OPENAI_VOICES}
    assert len(natives) == len(OPENAI_VOICES)
    assert len({await speech("Hello there.", name) for name in OPENAI_VOICES}) == len(OPENAI_VOICES)


async def test_languages_are_voices_and_every_one_that_is_listed_speaks() -> None:
    engine = EspeakEngine()
    listed = await engine.voices()
    assert {"de", "fr-fr", "en-gb", "ja"} <= {voice.id for voice in listed}
    for voice in listed:
        assert b"".join([chunk async for chunk in engine.speak("12", voice, 1.0)]), voice


@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", "gmw/en-US", "en-us+f3", ""])
async def test_only_listed_voices_reach_the_library(name: str) -> None:
    with pytest.raises(InvalidRequest):
        await EspeakEngine().voice(name)


async def test_many_at_once_say_what_each_says_alone() -> None:
    texts = [f"This is listener number {number}." for number in range(20)]
    alone = [await speech(text) for text in texts]
    together = await asyncio.gather(*(speech(text) for text in texts))
    assert [seconds(pcm) for pcm in together] == pytest.approx([seconds(pcm) for pcm in alone], rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=LONGEST),
    st.sampled_from(["alloy", "de", "ja", "ar", "hi", "fr-fr", "ru"]),
    st.sampled_from([0.25, 1.0, 4.0]),
)
def test_library_speaks_any_text(text: str, voice: str, speed: float) -> None:
    pcm = asyncio.run(speech(clean(text), voice, speed))
    assert len(pcm) < MAX_SENTENCE_BYTES


async def test_listener_who_left_is_not_spoken_to() -> None:
    engine = EspeakEngine()
    left = threading.Event()
    left.set()
    assert engine._library.speak(TEXT, "gmw/en-US", 1.0, left) == b""


def test_data_far_down_the_tree_is_found_and_nothing_is_left_behind(tmp_path: Path) -> None:
    """The library cuts paths at about 160 characters. It is one per process, so another one tries."""
    far = tmp_path.joinpath(*["a-folder-with-a-name"] * 10)
    far.mkdir(parents=True)
    (far / "espeak-ng-data").symlink_to(_library()._data)
    (tmp_path / "tmp").mkdir()
    reported = subprocess.run(
        [sys.executable, "-c", FAR_DATA, str(far / "espeak-ng-data")],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
    )
    assert reported.returncode == 0, reported.stderr
    assert int(reported.stdout) > 10_000
    assert list((tmp_path / "tmp").iterdir()) == []
