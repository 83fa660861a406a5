"""Estimates of word timings, for engines that do not provide them."""

import re

from millrace.speech.engine import Word

_WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
"""A run without spaces, or a single character in scripts without spaces."""
_PAUSES = ",;:.!?，。、；：！？"
_PAUSE = 3
"""The length of a pause after a word, in letters."""


def estimated_words(text: str, seconds: float) -> list[Word]:
    """Spread the words of a sentence over its duration, each by its length and the pause after it."""
    found = [word for word in _WORD.findall(text) if any(map(str.isalnum, word))]
    weights = [_weight(word) for word in found]
    total, at, words = sum(weights) or 1, 0, []
    for word, weight in zip(found, weights, strict=True):
        length = weight - _pause(word)
        words.append(Word(word, seconds * at / total, seconds * (at + length) / total))
        at += weight
    return words


def _weight(word: str) -> int:
    return max(len(word), 2) + _pause(word)


def _pause(word: str) -> int:
    return _PAUSE if word[-1] in _PAUSES else 0
