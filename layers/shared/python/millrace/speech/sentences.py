"""Text split into units for an engine: sentences, the first one short, none too long.

Text may come in pieces (an agent's tokens). A sentence is returned as soon as the following text shows that
it has ended.
"""

import unicodedata
from collections.abc import Iterator

LONGEST = 300
"""The maximum number of characters in a piece.

Engines bill and fail by request. A piece is also what is lost on a failure, and what is held in memory.
"""
FIRST = 100
"""The maximum number of characters in the first piece, because the listener waits for it."""

_ENDS = frozenset(".!?…\n。！？．｡؟۔।॥։።᠃")
_CLAUSES = (",;:—–)", "、，；：）")
_SPACES = (" ", "\u3000")


def may_end(text: str) -> bool:
    """Return whether a text has a sign that may end a sentence."""
    return not _ENDS.isdisjoint(text)


class Sentences:
    """Receives text in pieces and returns sentences of at most `longest` characters.

    `language` is a BCP 47 tag, on which abbreviations depend.
    """

    def __init__(self, language: str = "en", longest: int = LONGEST) -> None:
        self._language = language.partition("-")[0] or "en"
        self._longest = longest
        self._rest = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """Return the sentences that this piece of text completes."""
        self._rest += text
        # The segmenter parses the whole rest each time, and most tokens end no sentence.
        if len(self._rest) > self._longest or may_end(self._rest):
            *whole, self._rest = self._segments()
            return [piece for sentence in whole for piece in self._pieces(sentence)] + self._overflow()
        return []

    def end(self) -> list[str]:
        """Return the rest of the text when no more comes (for now)."""
        whole, self._rest = self._segments(), ""
        return [piece for sentence in whole for piece in self._pieces(sentence)]

    def _segments(self) -> list[str]:
        from sentencex import segment

        return list(segment(self._language, self._rest)) or [""]

    def _overflow(self) -> list[str]:
        if len(self._rest) <= self._longest:
            return []
        *whole, self._rest = _cut(self._rest, self._longest)
        return [piece for part in whole for piece in self._pieces(part)]

    def _pieces(self, sentence: str) -> Iterator[str]:
        if self._first and len(sentence) > FIRST:
            at = _break(sentence, FIRST)
            yield from self._spoken(sentence[:at])
            sentence = sentence[at:]
        for piece in _cut(sentence, self._longest):
            yield from self._spoken(piece)

    def _spoken(self, piece: str) -> Iterator[str]:
        if says_something(piece):
            self._first = False
            yield " ".join(piece.split())


def sentences_of(text: str, language: str = "en", longest: int = LONGEST) -> Iterator[str]:
    """Yield the sentences of a whole text in order, with at most `longest` characters each."""
    sentences = Sentences(language, longest)
    yield from sentences.feed(text)
    yield from sentences.end()


def clean(text: str) -> str:
    """Return text without characters that engines cannot speak.

    Control characters (a NUL ends the text in C libraries, others are invalid in XML), private and unassigned
    ones become spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" or not unicodedata.category(c).startswith("C") else _gap(c) for c in text)


def _gap(character: str) -> str:
    # Joiners and soft hyphens (format characters) belong to the word that contains them.
    return character if unicodedata.category(character) == "Cf" else " "


def says_something(text: str) -> bool:
    """Return whether a text contains anything to speak: a letter, a digit or a symbol."""
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def _cut(text: str, longest: int) -> list[str]:
    pieces = []
    while len(text) > longest:
        at = _break(text, longest)
        pieces.append(text[:at])
        text = text[at:]
    return [*pieces, text]


def _break(text: str, longest: int) -> int:
    """Return the position to cut at: after the last clause that leaves a piece of reasonable length, or
    between words."""
    window = text[:longest]
    for boundaries in (*_CLAUSES, *_SPACES):
        at = max(_last(window, boundary) for boundary in boundaries)
        if at > longest // 3:
            return at + 1
    return longest


def _last(window: str, boundary: str) -> int:
    # A comma or colon ends a clause only before a space: "1,000" and "12:30" are words.
    return window.rfind(boundary + " ") if boundary in ",;:" else window.rfind(boundary)
