"""Limits of a speech, so that everything that is accepted can be finished.

A streamed Lambda response has at most 200 MB
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html) and ends with its
function. The duration of a text can only be estimated from its characters in advance.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from millrace.errors import TooLarge, Unavailable

MAX_BYTES = 200_000_000
_MARGIN = 1.15
"""Voices differ in pace."""
_SECONDS_LEFT = 10
"""The last seconds of a function, in which no sentence begins."""
# Characters per second at speed 1, measured with espeak's voices: 10 (Thai) to 18 (German) for alphabetic
# characters, 2.2 (Japanese) to 7 (Korean) for syllabic ones, 4 for digits.
_ALPHABETIC, _SYLLABLES, _DIGITS = 10.0, 2.2, 4.0
_FIRST_SYLLABLE = "\u2e80"
"""The beginning of Unicode's East Asian blocks."""


def expected_seconds(text: str, speed: float) -> float:
    """Return the approximate duration of a text when spoken, rather too long than too short."""
    digits = sum(map(text.count, "0123456789"))
    syllables = 0 if text.isascii() else sum(character >= _FIRST_SYLLABLE for character in text)
    alphabetic = len(text) - digits - syllables
    return _MARGIN * (alphabetic / _ALPHABETIC + syllables / _SYLLABLES + digits / _DIGITS) / speed


def check_length(text: str, speed: float, bytes_per_second: int, paid: bool, deadline: float | None) -> None:
    """Raise `TooLarge` for a text whose speech cannot be finished.

    The limit is its size or, if audio is produced about as fast as it is heard, the function's time.
    `deadline` is on the monotonic clock.
    """
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
    """Raise `Unavailable` if there is no time left to begin a sentence."""
    if deadline is not None and deadline - time.monotonic() < _SECONDS_LEFT:
        raise Unavailable("The function reached its time limit before the text was spoken.", code="deadline")


async def check_size(audio: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Pass on at most `MAX_BYTES`.

    Raises `TooLarge` at the first byte beyond, instead of truncating silently.
    """
    size = 0
    async with aclosing(audio):
        async for part in audio:
            size += len(part)
            if size > MAX_BYTES:
                raise TooLarge("The speech exceeds 200 MB.", code="speech_too_long")
            yield part
