"""Text cut into what an engine is given at once: sentences, the first one short, none too long.

Text may come in pieces (an agent's tokens); a sentence is given out as soon as the text behind it shows that
it has ended.
"""

import unicodedata
from collections.abc import Iterator

LONGEST = 300
"""Characters of the longest piece. Engines bill and fail by request; a piece is also what is lost when one
fails, and what memory holds."""
FIRST = 100
"""Characters of the first piece: the listener waits for it."""

_ENDS = frozenset(".!?…\n。！？．｡؟۔।॥։።᠃")
_CLAUSES = (",;:—–)", "、，；：）")
_SPACES = (" ", "\u3000")


def may_end(text: str) -> bool:
    """Return whether a text has a sign that may end a sentence."""
    return not _ENDS.isdisjoint(text)


class Sentences:
    """Takes text in pieces, gives sentences of at most `longest` characters. `language` is a BCP 47 tag;
    abbreviations depend on it."""

    def __init__(self, language: str = "en", longest: int = LONGEST) -> None:
        self._language = language.partition("-")[0] or "en"
        self._longest = longest
        self._rest = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """The sentences that this piece of text completes."""
        self._rest += text
        # The segmenter reads the whole rest each time, and most tokens end no sentence.
        if len(self._rest) > self._longest or may_end(self._rest):
            *whole, self._rest = self._segments()
            return [piece for sentence in whole for piece in self._pieces(sentence)] + self._overflow()
        return []

    def end(self) -> list[str]:
        """Return the rest of the text once no more comes (for now)."""
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
    """The sentences of a whole text, in order, none longer than `longest` characters."""
    sentences = Sentences(language, longest)
    yield from sentences.feed(text)
    yield from sentences.end()


def clean(text: str) -> str:
    """Text without what no engine can speak: control characters (a NUL ends the text of C libraries, others
    are refused in XML), private and unassigned ones become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" or not unicodedata.category(c).startswith("C") else _gap(c) for c in text)


def _gap(character: str) -> str:
    # Joiners and soft hyphens (format characters) belong to the word that they stand in.
    return character if unicodedata.category(character) == "Cf" else " "


def says_something(text: str) -> bool:
    """Return whether a text has anything to be heard: a letter, a digit or a symbol."""
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def _cut(text: str, longest: int) -> list[str]:
    pieces = []
    while len(text) > longest:
        at = _break(text, longest)
        pieces.append(text[:at])
        text = text[at:]
    return [*pieces, text]


def _break(text: str, longest: int) -> int:
    """Return the position to cut at: behind the last clause that leaves a piece of fair length, else
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
