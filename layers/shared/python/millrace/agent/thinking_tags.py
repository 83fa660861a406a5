"""Removes thinking that a model writes into its text between tags, as the text arrives."""

import re
from functools import cache

from millrace.agent.code_spans import CodeSpans
from millrace.agent.pieces import Kind, Piece, prefixes

ATTRIBUTES_LIMIT = 128
TAG_LIMIT = len("</reasoning") + ATTRIBUTES_LIMIT + 2
_NAMES = ("think", "thinking", "reasoning", "thought")
_REST = rf"(?:\s[^<>]{{0,{ATTRIBUTES_LIMIT}}})?"
_SPECIAL_CHARACTERS = "`~\n"

Markers = tuple[tuple[str, str], ...]
"""Pairs of opening and closing markers that are not tags, such as `[THINK]` and `[/THINK]`."""


class TagPatterns:
    """The patterns of the tags, and of additional `markers`."""

    def __init__(self, markers: Markers = ()) -> None:
        names = "|".join(_NAMES)
        opening = "|".join(re.escape(pair[0]) for pair in markers)
        closing = "|".join(re.escape(pair[1]) for pair in markers)
        extra = rf"|(?P<open>{opening})|(?P<close>{closing})" if markers else ""
        begun = "".join(f"|{_beginnings(marker)}" for pair in markers for marker in pair)
        self.tag = re.compile(rf"<(?P<slash>/?)(?i:{names})(?:/|{_REST})>{extra}", re.ASCII)
        self.begun = re.compile(rf"</?(?:(?i:{prefixes(_NAMES)})|(?i:{names})(?:/|{_REST})){begun}", re.ASCII)
        firsts = "".join(sorted({"<", *(marker[0] for pair in markers for marker in pair)}))
        self.first = re.compile(f"[{re.escape(firsts)}]")
        self.special = re.compile(f"[{re.escape(firsts + _SPECIAL_CHARACTERS)}]")


def _beginnings(marker: str) -> str:
    """Return a pattern of every beginning of a marker, the longest first."""
    return "|".join(re.escape(marker[:end]) for end in range(len(marker), 0, -1))


@cache
def patterns_for(markers: Markers) -> TagPatterns:
    """Return the patterns of a dialect, which are compiled once."""
    return TagPatterns(markers)


class TagFilter:
    """Splits text into visible text and thinking.

    With `starts_inside`, the text starts in thinking: the model's template has opened the tag, and only its
    end is still to come. If it never comes, the text was the answer.
    """

    def __init__(self, markers: Markers = (), starts_inside: bool = False) -> None:
        self._patterns = patterns_for(markers)
        self._special = self._patterns.special
        self._pending = ""
        self._depth = 0
        self._kind: Kind = "text"
        self._code = CodeSpans()
        self._visible_code = self._code
        self.assumed = starts_inside
        self._hidden: list[str] = []
        if starts_inside:
            self._depth, self._kind, self._code = 1, "thinking", CodeSpans()

    def passes(self, text: str) -> bool:
        """Return whether a text is visible as it is, as most tokens are. Otherwise it must be fed."""
        if self._pending or self._depth or self._special.search(text) is not None or not text:
            return False
        self._code.skip(text)
        return True

    def feed(self, text: str) -> list[Piece]:
        if not text:
            return []
        # Most tokens contain none of these characters and are not split.
        if not self._pending and not self.assumed and self._special.search(text) is None:
            self._code.skip(text)
            # This runs for every token, so it avoids the call of Piece's constructor.
            return [tuple.__new__(Piece, (self._kind, text))]
        return self._split(self._pending + text)

    def finish(self, *, whole: bool = True) -> list[Piece]:
        """Return the text that is still held back. If the end of the thinking is missing and the message is
        `whole`, all of it is returned again as text: a late answer is better than one that nobody sees."""
        pending, self._pending = self._pending, ""
        if self.assumed and whole:
            self.assumed = False
            text = "".join(self._hidden) + pending
            return [Piece("text", text)] if text.strip() else []
        return [Piece(self._kind, pending)] if pending else []

    def start_outside(self) -> None:
        """Note that the server removes the thinking, so the text begins with the answer."""
        if self.assumed and not self._hidden and not self._pending:
            self.assumed = False
            self._depth, self._kind, self._code = 0, "text", self._visible_code

    def _split(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        self._pending, at = "", 0
        while at < len(text):
            first = self._patterns.first.search(text, at)
            found = first.start() if first else -1
            self._pass(text[at : len(text) if found < 0 else found], out)
            if found < 0:
                break
            tag = None if self._is_code() else self._patterns.tag.match(text, found)
            if tag:
                self._enter_or_leave(tag)
                at = tag.end()
            elif not self._is_code() and self._patterns.begun.fullmatch(text, found):
                self._pending = text[found:]
                break
            else:
                self._pass(text[found], out)
                at = found + 1
        return out

    def _pass(self, text: str, out: list[Piece]) -> None:
        if text:
            self._code.feed(text)
            out.append(Piece(self._kind, text))
            if self.assumed:
                self._hidden.append(text)

    def _is_code(self) -> bool:
        return self._code.just_opened() if self._depth else self._code.inside()

    def _enter_or_leave(self, tag: re.Match[str]) -> None:
        """Enter or leave a pair of tags. Code in the thinking is independent of code in the answer."""
        if tag.group(0).endswith("/>"):
            return
        closes = bool(tag.groupdict().get("slash") or tag.groupdict().get("close"))
        if self.assumed and not closes and not "".join(self._hidden).strip():
            self.assumed = False  # the model opens its thinking itself
            return
        before = self._depth
        self._depth = max(0, before - 1) if closes else before + 1
        self._kind = "thinking" if self._depth else "text"
        if before == 0 and self._depth:
            self._code = CodeSpans()
        elif self._depth == 0:
            self._code, self.assumed = self._visible_code, False
