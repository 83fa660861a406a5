"""Audio from servers: which is PCM, which is converted to our rate, and which is refused."""

import struct
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.errors import ProviderError
from millrace.speech.received import samples
from tests.speech.programs import run
from tests.speech.sound import likeness, speech

pytestmark = pytest.mark.fast

PCM = struct.pack("<2000h", *(n % 251 - 125 for n in range(2000)))


def wav(pcm: bytes, rate: int = 24000, channels: int = 1, bits: int = 16, tag: int = 1) -> bytes:
    layout = struct.pack("<IHHIIHH", 16, tag, channels, rate, 2 * rate, 2, bits)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # a chunk of odd length is padded
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + layout + extra + b"data\xff\xff\xff\xff" + pcm


async def read(content_type: str, body: bytes, size: int = 1000, rate: int = 24000) -> bytes:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    return b"".join([chunk async for chunk in samples(content_type, chunks(), rate)])


@pytest.mark.parametrize(
    "content_type",
    ["audio/pcm", "Audio/PCM; rate=24000", "audio/pcm;rate=24000;channels=1", "application/octet-stream", ""],
)
async def test_pcm_is_passed_on_as_it_is(content_type: str) -> None:
    assert await read(content_type, PCM) == PCM


@given(st.integers(1, 70))
async def test_wav_is_read_however_it_is_cut(size: int) -> None:
    assert await read("audio/wav", wav(PCM), size) == PCM
    assert await read("application/octet-stream", wav(PCM), size) == PCM


@pytest.mark.parametrize(("content_type", "make"), [("audio/pcm;rate=16000", bytes), ("audio/x-wav", wav)])
async def test_other_rates_are_brought_to_ours(content_type: str, make: type[bytes]) -> None:
    """Speech at 16 kHz played at 24 would be a third higher, and a third shorter."""
    said = await speech("Nine ships sail past the old stone bridge.")
    slow = await read("audio/pcm;rate=22050", said, 4096, rate=16000)
    body = wav(slow, 16000) if make is not bytes else slow
    made = await read(content_type, body, 4096)
    assert len(made) / 48000 == pytest.approx(len(said) / 44100, rel=0.02)
    assert likeness(await read("audio/pcm;rate=22050", said, 4096), made, 24000) > 0.9


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("audio/mpeg", b"\xff\xfb\x90\x00" * 500),
        ("audio/pcm", b"ID3\x04" + bytes(2000)),
        ("application/octet-stream", b"OggS" + bytes(2000)),
        ("application/octet-stream", b"fLaC" + bytes(2000)),
        ("application/octet-stream", b'{"error": "busy"}'),
        ("application/json", b'{"error": "busy"}'),
        ("text/html", b"<html>"),
        ("audio/pcm", b"<html>"),
        ("audio/pcm;channels=2", PCM),
        ("audio/pcm;rate=1", PCM),
        ("audio/l16;rate=24000", PCM),
        ("audio/wav", b"OggS" + bytes(2000)),
        ("audio/wav", wav(PCM, channels=2)),
        ("audio/wav", wav(PCM, bits=24)),
        ("audio/wav", wav(PCM, tag=85)),
        ("audio/wav", wav(PCM)[:30]),
        (
            "audio/wav",
            b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + struct.pack("<I", 60_000) + bytes(60_000)) * 3,
        ),
    ],
)
async def test_other_formats_than_pcm_are_refused_before_the_first_byte(
    content_type: str, body: bytes
) -> None:
    with pytest.raises(ProviderError, match="speech server sends"):
        await read(content_type, body)


async def test_real_mp3_under_the_name_of_octets_is_refused(tmp_path: Path) -> None:
    spoken = tmp_path / "speech.pcm"
    spoken.write_bytes(await speech("Hello there."))
    mp3 = run("ffmpeg", "-f", "s16le", "-ar", "22050", "-ac", "1", "-i", str(spoken), "-f", "mp3", "-")
    with pytest.raises(ProviderError):
        await read("application/octet-stream", mp3)
