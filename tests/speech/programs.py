"""System programs that check generated audio: ffmpeg, ffprobe, espeak-ng."""

import shutil
import subprocess

from tests.missing import missing

_PACKAGES = {"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "espeak-ng": "espeak-ng"}


def run(program: str, *arguments: str, given: bytes = b"") -> bytes:
    """Return the output of a program. Without the program the test is skipped; in CI it fails."""
    path = shutil.which(program)
    if path is None:
        missing(f"{program} is missing: apt-get install -y {_PACKAGES[program]}")
    done = subprocess.run([path, *arguments], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def decoded(audio: bytes, rate: int = 16000) -> bytes:
    """Any audio file as PCM, by ffmpeg; fails on what it cannot read."""
    output = ("-f", "s16le", "-ac", "1", "-ar", str(rate), "pipe:1")
    return run("ffmpeg", "-v", "error", "-i", "pipe:0", *output, given=audio)


def seconds_of(audio: bytes) -> float:
    """Return the duration of an audio file in seconds."""
    return len(decoded(audio)) / 32000
