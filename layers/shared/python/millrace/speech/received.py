"""Audio as a speech server sends it, validated and converted to our sample format.

Only audio known to be PCM is accepted: an mp3 played as samples is loud noise, and samples played at the
wrong rate sound like another voice.
"""

import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import Struct

from millrace.errors import ProviderError
from millrace.speech.resample import Resampler, resampled, whole_samples

_OCTETS = ("application/octet-stream", "binary/octet-stream", "")
_PCM = frozenset({"audio/pcm", "audio/x-pcm", "audio/raw", *_OCTETS})
_WAV = frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"})
_RIFF = b"RIFF"
_FILES = (b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"<", b"{")
"""Beginnings of files that some servers send as PCM: mp3, Ogg, FLAC, WebM, a page, an error."""
_RATES = range(8_000, 192_001)
_LONGEST_HEADER = 64 * 1024
_PCM_TAG, _EXTENSIBLE = 1, 0xFFFE


class MediaType(Struct, frozen=True):
    """A `Content-Type`: `name` in lower case, `rate` in Hz if given, and `channels`."""

    name: str
    rate: int | None
    channels: int

    @classmethod
    def parse(cls, header: str) -> "MediaType":
        """Parse the header's value. Parameters that are not numbers are ignored."""
        name, *parameters = header.split(";")
        given = dict(part.strip().lower().partition("=")[::2] for part in parameters)
        return cls(name.strip().lower(), _number(given.get("rate")), _number(given.get("channels")) or 1)


async def samples(
    content_type: str, body: AsyncGenerator[bytes, None], rate: int
) -> AsyncGenerator[bytes, None]:
    """Yield PCM at `rate` Hz from a body of PCM (24,000 Hz unless its type says otherwise) or WAV.

    Raises `ProviderError` for anything else, before the first byte.
    """
    async with aclosing(body):
        first = await _beginning(body, 4)
        media = MediaType.parse(content_type)
        if first[:4] == _RIFF and media.name in _PCM | _WAV:
            source, first = await _wav(body, first)
        elif media.name in _PCM and not first.startswith(_FILES):
            source = _pcm_rate(media, rate)
        else:
            raise _refused(f"{media.name or 'something'} where PCM was asked for")
        chunks = _joined(first, body)
        at_rate = chunks if source == rate else resampled(whole_samples(chunks), Resampler(source, rate))
        async with aclosing(at_rate):
            async for chunk in at_rate:
                yield chunk


def _pcm_rate(media: MediaType, usual: int) -> int:
    if media.channels != 1:
        raise _refused("more than one channel")
    return _checked_rate(media.rate or usual)


def _checked_rate(rate: int) -> int:
    if rate not in _RATES:
        raise _refused(f"samples at {rate} Hz")
    return rate


async def _wav(body: AsyncGenerator[bytes, None], first: bytes) -> tuple[int, bytes]:
    """Read the header of a WAV file. Return its rate and the samples that were read with it."""
    position, rate = 12, 0
    while True:
        first = await _beginning(body, position + 8, first)
        kind, size = first[position : position + 4], first[position + 4 : position + 8]
        if len(size) < 4 or position > _LONGEST_HEADER:
            raise _refused("a WAV file without samples")
        position += 8
        if kind == b"data":
            return _checked_rate(rate), first[position:]
        length = int.from_bytes(size, "little")
        first = await _beginning(body, min(position + length, _LONGEST_HEADER), first)
        if kind == b"fmt ":
            rate = _wav_rate(first[position : position + 16])
        position += length + length % 2


def _wav_rate(layout: bytes) -> int:
    if len(layout) < 16:
        raise _refused("a WAV file without samples")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", layout)
    if tag not in (_PCM_TAG, _EXTENSIBLE) or channels != 1 or bits != 16:
        raise _refused(f"WAV with {channels} channels of {bits} bits")
    return int(rate)


async def _beginning(body: AsyncGenerator[bytes, None], size: int, first: bytes = b"") -> bytes:
    while len(first) < size and (chunk := await anext(body, b"")):
        first += chunk
    return first


async def _joined(first: bytes, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for chunk in body:
        yield chunk


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else None


def _refused(what: str) -> ProviderError:
    return ProviderError(
        f"The speech server sends {what[:80]}: check its address and model.", code="speech_failed"
    )
