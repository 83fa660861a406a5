"""Bounds of a speech: what is accepted can be finished.

A streamed response of Lambda has at most 200 MB
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html) and ends with its
function. How long a text takes to be heard is known beforehand only by its characters.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from millrace.errors import TooLarge, Unavailable

MAX_BYTES = 200_000_000
_MARGIN = 1.15
"""Voices differ in pace."""
_SECONDS_LEFT = 10
"""A function's last seconds, in which no sentence begins."""
# Characters per second at speed 1. Measured over espeak's voices: 10 (Thai) to 18 (German) for letters, 2.2
# (Japanese) to 7 (Korean) for signs that are syllables, 4 for digits.
_ALPHABETIC, _SYLLABLES, _DIGITS = 10.0, 2.2, 4.0
_FIRST_SYLLABLE = "\u2e80"
"""Where Unicode's blocks of East Asia begin."""


def expected_seconds(text: str, speed: float) -> float:
    """Return about how long a text takes to be heard, rather too long than too short."""
    digits = sum(map(text.count, "0123456789"))
    syllables = 0 if text.isascii() else sum(character >= _FIRST_SYLLABLE for character in text)
    alphabetic = len(text) - digits - syllables
    return _MARGIN * (alphabetic / _ALPHABETIC + syllables / _SYLLABLES + digits / _DIGITS) / speed


def check_length(text: str, speed: float, bytes_per_second: int, paid: bool, deadline: float | None) -> None:
    """Raise `TooLarge` for a text whose speech cannot be finished: by its size, or, where sound is made about
    as fast as it is heard, by the function's time. `deadline` is on the monotonic clock."""
    seconds = expected_seconds(text, speed)
    most = MAX_BYTES / bytes_per_second
    if paid and deadline is not None:
        most = min(most, deadline - time.monotonic() - _SECONDS_LEFT)
    if seconds > most:
        fits = max(most, 0)
        raise TooLarge(
            f"The text takes about {seconds / 60:.0f} minutes to speak; in this format, at this speed and "
            f"with this engine {fits / 60:.0f} fit into one response. "
            + ("Send it in parts." if paid else "Send it in parts, or use mp3 or opus."),
            code="speech_too_long",
            limit=int(len(text) * fits / seconds),
        )


def check_time(deadline: float | None) -> None:
    """Raise `Unavailable` when no time is left to begin a sentence."""
    if deadline is not None and deadline - time.monotonic() < _SECONDS_LEFT:
        raise Unavailable("The function reached its time limit before the text was spoken.", code="deadline")


async def check_size(audio: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Pass on at most `MAX_BYTES`. Raises `TooLarge` at the first byte beyond, rather than being cut
    unseen."""
    size = 0
    async with aclosing(audio):
        async for part in audio:
            size += len(part)
            if size > MAX_BYTES:
                raise TooLarge("The speech exceeds 200 MB.", code="speech_too_long")
            yield part
