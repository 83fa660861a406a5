"""Audio formats: one encoder per response, fed with PCM as it is made."""

import asyncio
import importlib.util
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

from msgspec import Struct

from millrace.errors import InvalidRequest, NotImplementedHere

MP3_KBPS = 64
SLICE = 16 * 1024
"""Bytes of PCM that are encoded at once (a third of a second): what one listener may hold up another."""
_UNKNOWN = 0xFFFFFFFF


class Encoder(Protocol):
    """`encode` gives what is ready so far, `end` the rest."""

    def encode(self, pcm: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class Pcm:
    """The samples as they are."""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def end(self) -> bytes:
        return b""


class Wav:
    """RIFF with a length that is not known when the header leaves: 0xFFFFFFFF, which players take for "to the
    end of the stream" (as ffmpeg writes it into a pipe)."""

    def __init__(self, sample_rate: int) -> None:
        layout = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
        sizes = struct.pack("<I", _UNKNOWN)
        self._header = b"RIFF" + sizes + b"WAVEfmt " + layout + b"data" + sizes

    def encode(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def end(self) -> bytes:
        return self.encode(b"")


class Mp3:
    """Constant bit rate, so that players know the length from the bytes."""

    def __init__(self, sample_rate: int) -> None:
        import lameenc

        self._lame = lameenc.Encoder()
        # LAME writes its messages to the console otherwise, and so into the function's log.
        self._lame.silence()
        self._lame.set_channels(1)
        self._lame.set_in_sample_rate(sample_rate)
        self._lame.set_bit_rate(MP3_KBPS)
        self._lame.set_quality(5)

    def encode(self, pcm: bytes) -> bytes:
        return bytes(self._lame.encode(pcm))

    def end(self) -> bytes:
        return bytes(self._lame.flush())


class Format(Struct, frozen=True):
    """An audio format: its `Content-Type`, its encoder by sample rate (Hz), the module that the encoder
    needs, the extra that brings it, and its bit rate (kbit/s) if it does not grow with the sample rate."""

    name: str
    media_type: str
    make: Callable[[int], Encoder]
    needs: str = ""
    extra: str = ""
    kbps: int = 0

    def bytes_per_second(self, sample_rate: int) -> int:
        """The size of a second of sound, at most."""
        return 125 * self.kbps or 2 * sample_rate

    @property
    def available(self) -> bool:
        """True if this deployment has the encoder."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
        return {"id": self.name, "contentType": self.media_type, "available": self.available}


def _pyav(kind: str) -> Callable[[int], Encoder]:
    def make(sample_rate: int) -> Encoder:
        from millrace.speech.av_encoder import AvEncoder

        return AvEncoder(kind, sample_rate)

    return make


FORMATS = {
    found.name: found
    for found in (
        Format("mp3", "audio/mpeg", Mp3, "lameenc", "voice", MP3_KBPS),
        Format("wav", "audio/wav", Wav),
        Format("pcm", "audio/pcm", lambda rate: Pcm()),
        Format("opus", "audio/ogg; codecs=opus", _pyav("opus"), "av", "voice-all", 40),
        Format("aac", "audio/aac", _pyav("aac"), "av", "voice-all", 72),
        Format("flac", "audio/flac", _pyav("flac"), "av", "voice-all"),
    )
}


def format_named(name: str) -> Format:
    """The format of this name. Raises `InvalidRequest` or, where its encoder is not installed,
    `NotImplementedHere`."""
    found = FORMATS.get(name)
    if found is None:
        raise InvalidRequest(
            f"Unknown format {name[:40]!r}; there are {', '.join(FORMATS)}.", code="unknown_format"
        )
    if not found.available:
        raise NotImplementedHere(
            f"This deployment does not support {name}: install millrace[{found.extra}].", code="codec_missing"
        )
    return found


async def encoded(pcm: AsyncGenerator[bytes, None], encoder: Encoder) -> AsyncGenerator[bytes, None]:
    """The bytes of the file as they become ready, from PCM in whole samples."""
    async with aclosing(pcm):
        async for chunk in pcm:
            for at in range(0, len(chunk), SLICE):
                if made := encoder.encode(chunk[at : at + SLICE]):
                    yield made
                await asyncio.sleep(0)  # others have their turn
    if made := encoder.end():
        yield made
