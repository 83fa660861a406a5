"""PCM at another rate."""

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.speech.resample import Resampler


def tone(rate: int, seconds: float, hertz: float = 440) -> bytes:
    samples = (20000 * math.sin(2 * math.pi * hertz * n / rate) for n in range(int(rate * seconds)))
    return array("h", map(round, samples)).tobytes()


@pytest.mark.parametrize("source", [8000, 16000, 22050])
def test_tone_keeps_its_pitch_length_and_loudness(source: int) -> None:
    resampler = Resampler(source, 24000)
    made = array("h", resampler.feed(tone(source, 0.5)) + resampler.end())
    wanted = array("h", tone(24000, 0.5))
    assert abs(len(made) - len(wanted)) <= 2
    worst = max(abs(a - b) for a, b in zip(made[:-6], wanted, strict=False))
    assert worst < 20000 * 0.02  # linear interpolation's own error at this pitch is 1.5 %


@given(st.lists(st.integers(0, 3000), max_size=6))
def test_cuts_make_no_difference(cuts: list[int]) -> None:
    pcm = tone(22050, 0.05)
    positions = sorted({0, len(pcm), *(2 * min(cut, len(pcm) // 2) for cut in cuts)})
    whole, parts = Resampler(22050, 24000), Resampler(22050, 24000)
    cut = b"".join(parts.feed(pcm[a:b]) for a, b in pairwise(positions))
    assert cut + parts.end() == whole.feed(pcm) + whole.end()


def test_empty_input_gives_no_output() -> None:
    assert Resampler(16000, 24000).feed(b"") + Resampler(16000, 24000).end() == b""
