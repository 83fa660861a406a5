"""PCM at another rate, by linear interpolation.

This is good enough for raising the rate of speech (16 or 22.05 to 24 kHz), and needs no dependencies. A
second of speech takes about 5 ms of CPU.
"""

from array import array
from collections.abc import AsyncGenerator
from contextlib import aclosing
from math import gcd
from sys import byteorder

_ONE = 1 << 15
_SLICE = 16 * 1024


class Resampler:
    """Converts from one rate to another, both in Hz. Feed it PCM in pieces of whole samples."""

    def __init__(self, source: int, target: int) -> None:
        common = gcd(source, target)
        self._in, self._out = source // common, target // common
        self._rest: array[int] = array("h")

    def feed(self, pcm: bytes) -> bytes:
        """Return the samples that can be computed so far."""
        self._rest.extend(_samples(pcm))
        # One period reads `in` samples and the one after them, and produces `out`.
        periods = max(len(self._rest) - 1, 0) // self._in
        made = self._periods(periods)
        self._rest = self._rest[periods * self._in :]
        return _bytes(made)

    def _periods(self, periods: int) -> "array[int]":
        end = periods * self._in
        made = array("h", bytes(2 * periods * self._out))
        for phase in range(self._out):
            at, part = divmod(phase * self._in, self._out)
            weight = part * _ONE // self._out
            left = self._rest[at : end + at : self._in]
            right = self._rest[at + 1 : end + at + 1 : self._in]
            mixed = [a + ((b - a) * weight >> 15) for a, b in zip(left, right, strict=False)]
            made[phase :: self._out] = array("h", mixed)
        return made

    def end(self) -> bytes:
        """Return the rest, holding the last sample."""
        if not self._rest:
            return b""
        wanted = len(self._rest) * self._out // self._in
        self._rest.extend([self._rest[-1]] * (self._in + 1))
        return _bytes(self._periods((len(self._rest) - 1) // self._in)[:wanted])


async def whole_samples(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield chunks of whole samples, wherever the network split them. Half a sample at the end is dropped."""
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            chunk = rest + chunk
            even = len(chunk) & ~1
            rest = chunk[even:]
            if even:
                yield chunk[:even]


async def resampled(pcm: AsyncGenerator[bytes, None], resampler: Resampler) -> AsyncGenerator[bytes, None]:
    """Yield a stream at another rate."""
    async with aclosing(pcm):
        async for chunk in pcm:
            for at in range(0, len(chunk), _SLICE):
                yield resampler.feed(chunk[at : at + _SLICE])
    yield resampler.end()


def _samples(pcm: bytes) -> "array[int]":
    samples = array("h", pcm)
    if byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: "array[int]") -> bytes:
    if byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
