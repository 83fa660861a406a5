"""Speech: the first byte of an answer that is spoken while it is made."""

from typing import Any

from tests.bench import piper_peer, voice
from tests.bench._profile import profile_lines
from tests.bench._table import number, table, times

MOST_SECONDS = 120
SHOWN = {
    "first_byte_ms": "first byte of 4,000 characters as mp3, ms",
    "whole_to_first_byte": "time to synthesize and encode the whole text, as a multiple of that",
    "twenty_last_first_byte_ms": "first byte of the last of 20 concurrent listeners, ms",
    "long_text_extra_mb": "additional memory for 100,000 characters instead of 4,000, MB",
}


def measure() -> dict[str, Any]:
    """The figures of `voice`, and those beside Piper's server where it can be had."""
    found: dict[str, Any] = voice.measure() | {"profile": voice.profiled()}
    try:
        return found | piper_peer.measure()
    except OSError as error:  # it cannot be installed
        return found | {"piper_failed": str(error)[:200]}


def section(found: dict[str, Any]) -> list[str]:
    """First byte, the same without streaming, and Piper's server."""
    rows = [[title, number(found.get(name))] for name, title in SHOWN.items()]
    return [
        "## Speech",
        "",
        "The embedded engine (espeak-ng), called through the app of our voice function. The second line is "
        "what a server without streaming takes with the same engine, because it synthesizes and encodes the "
        "whole text before it answers.",
        "",
        *table(["", ""], rows),
        *_beside_piper(found),
        "### Where the time of speech goes",
        "",
        "An answer of 4,000 characters as mp3. The synthesis and the encoder are libraries in C, so most "
        "of it is theirs. Done: text is cut at sentences, so that the first one is heard while the second is "
        "spoken, and both libraries are called with pieces that give way to other listeners.",
        "",
        *profile_lines(found["profile"]),
    ]


def _beside_piper(found: dict[str, Any]) -> list[str]:
    if "piper_own" not in found:
        return [f"Piper's server is missing here: {found.get('piper_failed', 'not measured yet')}.", ""]
    own, theirs = found["piper_own"], found["piper_theirs"]
    return [
        "The same Piper voice in our server and in Piper's own HTTP server: 500 characters as WAV, over "
        "HTTP. The other speech servers that we found on PyPI (for Kokoro, Chatterbox and Moonshine) come "
        "without a model and download it when they start, so they are not measured here.",
        "",
        *table(
            ["", "first sound, ms", "last sound, ms"],
            [
                ["millrace", *map(number, own)],
                [found["piper_version"], *map(times, theirs, own)],
            ],
        ),
    ]
