r"""Redaction of secrets from text, however a server or a driver encodes them.

A value is searched as it is, and after up to two decodings of JSON (`\/`, `\u00e9`), URLs (`%2F`) and HTML
(`&amp;`, `&#x26;`). Its base64 is found at any offset in what was encoded, so that Basic credentials
(`user:secret`) are recognized for any user.

A value of fewer than eight characters would also be found in ordinary words. It is removed only where it is a
whole value: in quotes, after `=` or `: `, or after `Bearer` or `Basic`.
"""

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

SHORT = 8
"""Values with fewer characters are removed only where they are a whole value."""
_REMEMBERED = 64
_JSON = re.compile(
    r'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]'
)
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_BASE64_BEFORE = re.compile(r"[A-Za-z0-9+/]*\Z")
_URL_SAFE = str.maketrans("-_", "+/")
_SHORTHANDS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WHOLE_BEFORE = r"(?:(?<=[\"'=])|(?<=: )|(?<=(?i:bearer) )|(?<=(?i:basic) )|\A)"
_WHOLE_AFTER = r"(?=[\"'&;,<\s)}\]]|\Z)"

Pieces = Iterable[tuple[str, int]]
"""Characters with the length that each had before decoding."""


class _Decoded(Struct, frozen=True):
    """A text with the original positions of its characters and its end."""

    text: str
    starts: list[int]

    def undo(self, pattern: re.Pattern[str], meaning: Callable[[str], Pieces]) -> "_Decoded | None":
        """Return the text with each match decoded, or None if there is none."""
        parts: list[str] = []
        starts: list[int] = []
        end = 0
        for found in pattern.finditer(self.text):
            parts.append(self.text[end : found.start()])
            starts += self.starts[end : found.start()]
            end = found.start()
            for character, length in meaning(found[0]):
                parts.append(character)
                starts.append(self.starts[end])
                end += length
            end = found.end()
        if not parts:
            return None
        return _Decoded("".join(parts) + self.text[end:], starts + self.starts[end:])


def _json(token: str) -> Pieces:
    if not token.startswith("\\u"):
        yield _SHORTHANDS.get(token[1], token[1]), len(token)
    elif len(token) == 6:
        yield chr(int(token[2:], 16)), len(token)
    else:
        high, low = int(token[2:6], 16), int(token[8:], 16)
        yield chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00), len(token)


def _percent(token: str) -> Pieces:
    for character in bytes.fromhex(token.replace("%", "")).decode(errors="surrogateescape"):
        yield character, 3 * len(character.encode(errors="surrogateescape"))


def _entity(token: str) -> Pieces:
    decoded = html.unescape(token)
    yield from ((character, 0) for character in decoded[:-1])
    yield decoded[-1:], len(token)


_ENCODINGS = ((_JSON, _json), (_PERCENT, _percent), (_ENTITY, _entity))


def _levels(text: str) -> Iterator[_Decoded]:
    """Yield the text as it is, with one encoding undone, and with two."""
    level = [_Decoded(text, list(range(len(text) + 1)))]
    for _ in range(3):
        yield from level
        level = [found for each in level for one in _ENCODINGS if (found := each.undo(*one)) is not None]


Spans = Iterator[tuple[int, int]]
Finder = Callable[[str], Spans]


def _literal(value: str) -> Finder:
    pattern = re.compile(re.escape(value))
    return lambda text: (found.span() for found in pattern.finditer(text))


def _whole(value: str) -> Finder:
    pattern = re.compile(_WHOLE_BEFORE + re.escape(value) + _WHOLE_AFTER)
    return lambda text: (found.span() for found in pattern.finditer(text))


def _token(host: str) -> Finder:
    pattern = re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", re.IGNORECASE)
    return lambda text: (found.span() for found in pattern.finditer(text))


def _encoded(value: str) -> Finder:
    """Return a finder for base64 of anything that contains the value.

    Its offset within a group of three bytes is unknown, so the characters that depend only on the value are
    searched, and the whole run around them is removed.
    """
    content = value.encode(errors="surrogateescape")
    cores = [_core(content, offset) for offset in range(3)]
    pattern = re.compile("|".join(re.escape(core) for core in cores))

    def find(text: str) -> Spans:
        plain = text.translate(_URL_SAFE)
        for found in pattern.finditer(plain):
            before = _BASE64_BEFORE.search(plain, 0, found.start())
            after = _BASE64_RUN.match(plain, found.end())
            yield before.start() if before else found.start(), after.end() if after else found.end()

    return find


def _core(content: bytes, offset: int) -> str:
    """Return the base64 characters that depend only on the content if it begins `offset` bytes into a
    group."""
    text = base64.b64encode(b"\0" * offset + content).decode().rstrip("=")
    first = -(-offset * 8 // 6)
    last = (offset + len(content)) * 8 // 6
    return text[first:last]


def _finders(value: str) -> list[Finder]:
    if len(value) < SHORT:
        basic = [base64.b64encode(text.encode()).decode() for text in (value, f"{value}:")]
        return [_whole(form) for form in (value, *basic)]
    spaced = [_literal(value.replace(" ", "+"))] if " " in value else []
    return [_literal(value), *spaced, _encoded(value)]


class Redaction:
    """Removes labeled values from text."""

    def __init__(self, values: Iterable[tuple[str, str]], hosts: Iterable[str] = ()) -> None:
        named = {value: label for label, value in values if value}
        longest_first = sorted(named, key=len, reverse=True)
        self._finders = [(named[value], find) for value in longest_first for find in _finders(value)]
        self._finders += [("of the host", _token(host)) for host in hosts]
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return the text with `[secret LABEL]` instead of each value."""
        if not self._finders or not text:
            return text
        # The same answer is in the result of every event of its request.
        if text not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = self._redacted(text)
        return self._known[text]

    def _redacted(self, text: str) -> str:
        parts: list[str] = []
        end = 0
        for start, stop, label in _merged(self._spans(text)):
            parts += (text[end:start], f"[secret {label}]")
            end = stop
        return "".join(parts) + text[end:]

    def _spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        for level in _levels(text):
            for label, find in self._finders:
                for start, stop in find(level.text):
                    yield level.starts[start], level.starts[stop], label


def _merged(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Merge overlapping spans, with the label of the first one, which has the longest value."""
    merged: list[tuple[int, int, str]] = []
    for start, stop, label in sorted(spans, key=lambda span: span[0]):
        if merged and start < merged[-1][1]:
            first, last, name = merged[-1]
            merged[-1] = (first, max(last, stop), name)
        else:
            merged.append((start, stop, label))
    return merged
