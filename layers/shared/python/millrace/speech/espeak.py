"""espeak-ng in this process with ctypes: speaks a hundred languages without an account or a network.

`espeakng_loader` (PyPI) provides the library and its data. There is one library per process, and it is not
thread-safe: everything that calls it runs on a dedicated thread, sentence by sentence in the order of
requests, so that listeners take turns. The interface is espeak-ng's `speak_lib.h`, version 1.52.
"""

import asyncio
import ctypes
import importlib
import os
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from millrace.errors import Unavailable
from millrace.speech.engine import Voice, Word, find_voice, speaks
from millrace.speech.languages import closest

# Without the last flag, the library ends the process if it cannot read its data.
_SYNCHRONOUS, _BUFFER_MS, _DONT_EXIT = 2, 500, 0x8000
_UTF8, _END_PAUSE = 1, 0x1000  # the pause that separates a sentence from the next
_RATE, _WORDGAP = 1, 7
_NORMAL_WPM, _SLOWEST_WPM = 175, 80
_GAPS_PER_SECOND = 29  # units of WORDGAP at 80 words per minute, measured
_LONGEST_DATA_PATH = 150  # the library truncates it at about 160 characters
_GENDERS = {1: "male", 2: "female"}
_ALIASES = {
    "alloy": "gmw/en-US",
    "ash": "gmw/en-US+m3",
    "ballad": "gmw/en+m7",
    "cedar": "gmw/en-US+m5",
    "coral": "gmw/en-US+f2",
    "echo": "gmw/en-US+m1",
    "fable": "gmw/en",
    "marin": "gmw/en-US+f1",
    "nova": "gmw/en-US+f3",
    "onyx": "gmw/en-US+m7",
    "sage": "gmw/en-US+f4",
    "shimmer": "gmw/en-US+f5",
    "verse": "gmw/en-US+m4",
}
_END_OF_LIST, _WORD_EVENT, _END_EVENT = 0, 1, 5


class _Event(ctypes.Structure):
    """`espeak_EVENT`. `text_position` counts characters from 1, `audio_position` is in milliseconds."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _NativeVoice(ctypes.Structure):
    """`espeak_VOICE`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class EspeakEngine:
    """See `engine.Engine`. Voices are languages: `en-us`, `de`, `fr-fr`."""

    name = "espeak"
    paid = False
    slowest, fastest = 0.25, 4.0

    def __init__(self) -> None:
        self._library = _library()
        self.sample_rate = self._library.sample_rate
        self._voices = [*_aliases(), *self._library.voices]
        self._languages = tuple(voice.language for voice in self._library.voices)

    async def check(self) -> None:
        """See `engine.Engine`. An installed library always works."""

    async def voices(self) -> list[Voice]:
        """See `engine.Engine`."""
        return self._voices

    async def voice(self, name: str) -> Voice:
        """See `engine.Engine`.

        Only listed names are passed to the library, which interprets names as paths.
        """
        return find_voice(self._voices, name, self.name)

    async def in_language(self, voice: Voice, language: str) -> Voice | None:
        """See `engine.Engine`. Returns the voice's variant (man, woman) in the other language."""
        if speaks(voice, language):
            return voice
        tag = closest(language, self._languages)
        if tag is None:
            return None
        found = next(one for one in self._library.voices if one.language == tag)
        _, plus, variant = voice.native.partition("+")
        return replace(found, native=found.native + plus + variant)

    async def speak(self, text: str, voice: Voice, speed: float) -> AsyncGenerator[bytes, None]:
        """See `engine.Engine`. One chunk for each sentence, because a sentence takes milliseconds."""
        left = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            pcm = await loop.run_in_executor(
                self._library.thread, self._library.speak, text, voice.native, speed, left
            )
        finally:
            # The thread cannot be canceled, but stops at its next buffer of half a second of speech.
            left.set()
        if pcm:
            yield pcm

    async def words(self, text: str, voice: Voice, speed: float) -> list[Word] | None:
        """See `engine.Engine`. The sentence is spoken once more, which takes milliseconds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._library.thread, self._library.words, text, voice.native, speed
        )

    async def close(self) -> None:
        """See `engine.Engine`. The library stays for the life of the process."""


class _Library:
    """The C library, once in each process."""

    def __init__(self) -> None:
        loader: Any = importlib.import_module("espeakng_loader")
        self._c = ctypes.CDLL(loader.get_library_path())
        self._data = Path(loader.get_data_path())
        self.thread = ThreadPoolExecutor(1, "espeak")
        self._c.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_NativeVoice))
        path = _short(self._data).encode()
        self.sample_rate: int = self._c.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, path, _DONT_EXIT)
        if self.sample_rate <= 0:
            raise Unavailable(f"espeak-ng cannot read its data in {self._data}.", code="engine_unavailable")
        self._c.espeak_SetSynthCallback(self._callback)
        self._pcm: list[bytes] = []
        self._events: list[tuple[int, int, int, int]] = []
        self._left = threading.Event()
        self.voices = tuple(self._listed())  # now, while nothing is being spoken

    # ctypes keeps no reference to a callback, and the library would call freed memory.
    @cached_property
    def _callback(self) -> Any:
        def heard(samples: Any, count: int, events: Any) -> int:
            if samples and count > 0:
                self._pcm.append(ctypes.string_at(samples, 2 * count))
            self._events += _events(events)
            return int(self._left.is_set())  # 1 ends the sentence

        return _Callback(heard)

    def speak(self, text: str, native: str, speed: float, left: threading.Event) -> bytes:
        """Return a sentence as PCM, truncated if `left` is set."""
        # The listener may have left while the sentence waited for the thread.
        if left.is_set():
            return b""
        self._pcm, self._events, self._left = [], [], left
        self._c.espeak_SetVoiceByName(native.encode())
        self._pace(speed)
        data = text.encode()
        self._c.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8 | _END_PAUSE, None, None)
        pcm, self._pcm = b"".join(self._pcm), []
        return pcm

    def words(self, text: str, native: str, speed: float) -> list[Word]:
        """Return the words of a sentence and their times."""
        self.speak(text, native, speed, threading.Event())
        ends = [at for kind, _, _, at in self._events if kind == _END_EVENT]
        words = [(place, length, at) for kind, place, length, at in self._events if kind == _WORD_EVENT]
        nexts = [at for _, _, at in words[1:]] + ends[-1:]
        return [
            Word(text[place - 1 : place - 1 + length], at / 1000, end / 1000)
            for (place, length, at), end in zip(words, nexts, strict=False)
        ]

    def _pace(self, speed: float) -> None:
        # Below 80 words per minute, only the gaps between words can grow.
        pace = max(round(_NORMAL_WPM * speed), _SLOWEST_WPM)
        gap = max(60 / (_NORMAL_WPM * speed) - 60 / pace, 0)
        self._c.espeak_SetParameter(_RATE, pace, 0)
        self._c.espeak_SetParameter(_WORDGAP, round(gap * _GAPS_PER_SECOND), 0)

    def _listed(self) -> Iterator[Voice]:
        """Yield every voice with a dictionary (two languages are listed without one)."""
        listed = self._c.espeak_ListVoices(None)
        position = 0
        while listed[position]:
            native = listed[position].contents
            position += 1
            language = native.languages[1:].decode()
            if (self._data / f"{_dictionary(self._data, native.identifier.decode())}_dict").exists():
                yield Voice(
                    language,
                    native.identifier.decode(),
                    native.name.decode(),
                    language,
                    _GENDERS.get(native.gender, ""),
                )


def _events(events: Any) -> Iterator[tuple[int, int, int, int]]:
    """Yield events that come with samples: kind, position and length in the text, milliseconds."""
    position = 0
    while events[position].type != _END_OF_LIST:
        one = events[position]
        yield one.type, one.text_position, one.length, one.audio_position
        position += 1


def _short(folder: Path) -> str:
    """Return the folder's path, or one with a file descriptor if it is too long for the library.

    The descriptor stays open as long as the process, and leaves nothing behind.
    """
    if len(str(folder)) <= _LONGEST_DATA_PATH:
        return str(folder)
    return f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}"


# `cache` alone would let two threads load the library at the same time.
_loading = threading.Lock()


def _library() -> _Library:
    with _loading:
        return _loaded()


@cache
def _loaded() -> _Library:
    return _Library()


def _dictionary(data: Path, identifier: str) -> str:
    """Return the dictionary's name: the one in the voice file, or that of the language."""
    lines = (data / "lang" / identifier).read_text(errors="replace").splitlines()
    named = {line.split()[0]: line.split()[1] for line in reversed(lines) if len(line.split()) > 1}
    return named.get("dictionary", named["language"].partition("-")[0])


def _aliases() -> Iterator[Voice]:
    for name, native in _ALIASES.items():
        language = "en-us" if native.startswith("gmw/en-US") else "en-gb"
        yield Voice(name, native, name.capitalize(), language)
