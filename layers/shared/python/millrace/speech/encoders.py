"""Audio formats: one encoder for each response, fed with PCM as it is produced."""

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
"""Bytes of PCM encoded at once (a third of a second), the maximum by which one listener delays another."""
_UNKNOWN = 0xFFFFFFFF


class Encoder(Protocol):
    """An audio encoder. `encode` returns what is ready so far, `end` the rest."""

    def encode(self, pcm: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class Pcm:
    """The samples without a container."""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def end(self) -> bytes:
        return b""


class Wav:
    """RIFF with the length 0xFFFFFFFF, because it is unknown when the header is sent.

    Players interpret this as "to the end of the stream" (ffmpeg writes it to a pipe as well).
    """

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
    """Constant bit rate, so that players can compute the duration from the size."""

    def __init__(self, sample_rate: int) -> None:
        import lameenc

        self._lame = lameenc.Encoder()
        # Otherwise LAME writes its messages to the console, and so to the function's log.
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
    """An audio format.

    It has its `Content-Type`, its encoder by sample rate (Hz), the module that the encoder needs, the extra
    that installs it, and its bit rate (kbit/s) if that does not depend on the sample rate.
    """

    name: str
    media_type: str
    make: Callable[[int], Encoder]
    needs: str = ""
    extra: str = ""
    kbps: int = 0

    def bytes_per_second(self, sample_rate: int) -> int:
        """Return the maximum size of a second of audio."""
        return 125 * self.kbps or 2 * sample_rate

    @property
    def available(self) -> bool:
        """True if this deployment has the encoder."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
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
    """Return the format of this name.

    Raises `InvalidRequest`, or `NotImplementedHere` if its encoder is not installed.
    """
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
    """Yield the bytes of the file as they become ready, from PCM in whole samples."""
    async with aclosing(pcm):
        async for chunk in pcm:
            for at in range(0, len(chunk), SLICE):
                if made := encoder.encode(chunk[at : at + SLICE]):
                    yield made
                await asyncio.sleep(0)  # lets other tasks run
    if made := encoder.end():
        yield made
