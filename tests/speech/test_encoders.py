"""Audio formats, verified by ffmpeg."""

import struct
from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from millrace.errors import InvalidRequest, NotImplementedHere
from millrace.speech.encoders import FORMATS, SLICE, encoded, format_named
from tests.speech.programs import decoded, seconds_of
from tests.speech.sound import likeness, speech

TEXT = "The quick brown fox jumps over the lazy dog."
FILES = [name for name in FORMATS if name != "pcm"]


async def encode(name: str, pcm: bytes, size: int = 5000, rate: int = 22050) -> list[bytes]:
    async def source() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(pcm), size):
            yield pcm[at : at + size]

    return [part async for part in encoded(source(), format_named(name).make(rate))]


@pytest.mark.parametrize("rate", [16000, 22050, 24000])
@pytest.mark.parametrize("name", FILES)
async def test_file_has_the_length_of_the_speech(name: str, rate: int) -> None:
    pcm = await speech(TEXT)
    # An encoder may add its own delay, a frame or two.
    assert len(pcm) / 2 / rate == pytest.approx(
        seconds_of(b"".join(await encode(name, pcm, rate=rate))), abs=0.15
    )


@pytest.mark.parametrize("name", FILES)
async def test_file_sounds_as_the_speech_did(name: str) -> None:
    pcm, other = await speech(TEXT), await speech("Pack my box with five dozen liquor jugs.")
    heard = decoded(b"".join(await encode(name, pcm)), 22050)
    delay = max(range(0, 5000, 400), key=lambda at: likeness(heard[at:], pcm, 22050))
    assert likeness(heard[delay:], pcm, 22050) > 0.8
    assert likeness(heard[delay:], other, 22050) < 0.5


@pytest.mark.parametrize("name", FORMATS)
async def test_first_bytes_come_with_the_first_slice(name: str) -> None:
    pcm = await speech(TEXT)
    encoder = format_named(name).make(22050)
    assert encoder.encode(pcm[:SLICE])


async def test_wav_says_that_its_length_is_not_known() -> None:
    made = b"".join(await encode("wav", b"\1\2" * 50))
    assert made[:4] == b"RIFF"
    assert struct.unpack("<4xI4s4sIHHIIHH4sI", made[:44]) == (
        0xFFFFFFFF, b"WAVE", b"fmt ", 16, 1, 1, 22050, 44100, 2, 16, b"data", 0xFFFFFFFF,
    )  # fmt: skip
    assert made[44:] == b"\1\2" * 50


async def test_pcm_is_untouched() -> None:
    assert b"".join(await encode("pcm", b"\1\2" * 50000)) == b"\1\2" * 50000


def test_unknown_format_names_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="mp3, wav, pcm"):
        format_named("midi")


def test_missing_codec_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "opus", replace(FORMATS["opus"], needs="a_module_that_is_not_there"))
    with pytest.raises(NotImplementedHere, match=r"millrace\[voice-all\]"):
        format_named("opus")
