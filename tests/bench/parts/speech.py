"""Speech: the first byte of an answer that is spoken while it is made."""

from tests.bench import voice
from tests.bench._table import number, table

MOST_SECONDS = 60
SHOWN = {
    "first_byte_ms": "first byte of 4,000 characters as mp3, ms",
    "whole_to_first_byte": "the same text spoken and encoded as a whole, multiple of that",
    "twenty_last_first_byte_ms": "last first byte of 20 listeners at once, ms",
    "long_text_extra_mb": "more memory for 100,000 characters than for 4,000, MB",
}


def measure() -> dict[str, float]:
    """The figures of `voice`."""
    return voice.measure()


def section(found: dict[str, float]) -> list[str]:
    """First byte, and the same without streaming."""
    rows = [[title, number(found.get(name))] for name, title in SHOWN.items()]
    return [
        "## Speech",
        "",
        "The embedded engine (espeak-ng) through our function's app. A server that does not stream "
        "speaks and encodes all of the text first: that is the second line, with the same engine.",
        "",
        *table(["", ""], rows),
    ]
