"""Split a model's inline text into the visible answer, thinking and ReAct steps.

Rules, the same for every way of cutting the text into tokens:

- `<think>`, `<thinking>` and `<reasoning>` (any case, attributes allowed) hide what follows, as thinking, up
  to their closing tag. The three names are one: models open with one and close with another. Pairs nest. A
  pair that is never closed hides the rest of the text; a closing tag without a pair is dropped.
- In code, a tag is text: someone who asks about the `<think>` tag must see it. Code is a fence (``` or ~~~)
  up to its closing line, and inline code up to the same number of backticks or the end of its line.
  While hidden, only a tag directly behind the opening backticks counts as code, since a stray backtick in a
  model's thoughts must not swallow its answer.
- With `react=True`, lines that begin with `Thought:`, `Action:`, `Action Input:`, `Observation:` or
  `Final Answer:` (any case, also numbered as in `Action 2:`) start a section, outside code fences of the
  answer. A section goes on to the next such line. What follows the line of an `Action:` is its input.

Text is held back only while it may still become a tag or a line's marker, at most `TAG_LIMIT` characters;
the name of an action is held until its line ends, so that it arrives whole.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal["text", "thinking", "action", "action_input", "observation"]

ATTRIBUTES_LIMIT = 128
TAG_LIMIT = len("</reasoning") + ATTRIBUTES_LIMIT + 2
ACTION_LIMIT = 200
_NAMES = ("think", "thinking", "reasoning")
_SECTIONS: dict[str, Kind] = {
    "thought": "thinking",
    "action input": "action_input",
    "action": "action",
    "observation": "observation",
    "final answer": "text",
}


def _prefixes(words: Iterable[str]) -> str:
    """A pattern of every beginning of every word, longest first."""
    return "|".join(
        sorted({word[:end] for word in words for end in range(len(word) + 1)}, key=len, reverse=True)
    )


_REST = rf"(?:\s[^<>]{{0,{ATTRIBUTES_LIMIT}}})?"
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})(?:/|{_REST})>", re.IGNORECASE | re.ASCII)
_TAG_BEGUN = re.compile(
    rf"</?(?:(?:{_prefixes(_NAMES)})|(?:{'|'.join(_NAMES)})(?:/|{_REST}))", re.IGNORECASE | re.ASCII
)
_MARKER = re.compile(
    rf"[ \t]{{0,16}}({'|'.join(_SECTIONS)})(?: \d{{1,4}})?[ \t]{{0,4}}:", re.IGNORECASE | re.ASCII
)
_MARKER_BEGUN = re.compile(
    rf"[ \t]{{0,16}}(?:(?:{_prefixes(_SECTIONS)})|(?:{'|'.join(_SECTIONS)})(?: \d{{0,4}})?[ \t]{{0,4}})",
    re.IGNORECASE | re.ASCII,
)
_SPECIAL = re.compile(r"[<`~\n]")
_CODE_PARTS = re.compile(r"`+|~+|\n|[^`~\n]+")


class Piece(NamedTuple):
    """A stretch of one kind; adjacent pieces of a kind belong together, except whole `action` names."""

    kind: Kind
    text: str


class LeakFilter:
    """Feed it a model's text as it comes; it gives back what of it is known for certain.

    One filter per model message. `finish` gives what was still held back; nothing may be fed after it.
    """

    def __init__(self, react: bool = False) -> None:
        self._tags = _TagFilter()
        self._react = _ReactFilter() if react else None

    def feed(self, text: str) -> list[Piece]:
        pieces = self._tags.feed(text)
        return pieces if self._react is None else self._steps(pieces, self._react)

    def finish(self) -> list[Piece]:
        pieces = self._tags.finish()
        return pieces if self._react is None else self._steps(pieces, self._react) + self._react.finish()

    @staticmethod
    def _steps(pieces: list[Piece], react: "_ReactFilter") -> list[Piece]:
        out: list[Piece] = []
        for piece in pieces:
            out += react.feed(piece.text) if piece.kind == "text" else [piece]
        return out


class _TagFilter:
    """Splits text into visible text and thinking by its tags."""

    def __init__(self) -> None:
        self._pending = ""
        self._depth = 0
        self._kind: Kind = "text"
        self._code = _CodeSpans()
        self._visible_code = self._code

    def feed(self, text: str) -> list[Piece]:
        if not text:
            return []
        if not self._pending and _SPECIAL.search(text) is None:
            self._code.skip(text)
            return [Piece(self._kind, text)]
        return self._split(self._pending + text)

    def finish(self) -> list[Piece]:
        pending, self._pending = self._pending, ""
        return [Piece(self._kind, pending)] if pending else []

    def _split(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        self._pending, at = "", 0
        while at < len(text):
            found = text.find("<", at)
            self._pass(text[at : len(text) if found < 0 else found], out)
            if found < 0:
                break
            tag = None if self._is_code() else _TAG.match(text, found)
            if tag:
                self._enter_or_leave(tag)
                at = tag.end()
            elif not self._is_code() and _TAG_BEGUN.fullmatch(text, found):
                self._pending = text[found:]
                break
            else:
                self._pass("<", out)
                at = found + 1
        return out

    def _pass(self, text: str, out: list[Piece]) -> None:
        if text:
            self._code.feed(text)
            out.append(Piece(self._kind, text))

    def _is_code(self) -> bool:
        return self._code.just_opened() if self._depth else self._code.inside()

    def _enter_or_leave(self, tag: re.Match[str]) -> None:
        """Go one pair deeper or up. The code of the thoughts is not the code of the answer."""
        if tag.group(0).endswith("/>"):
            return
        before = self._depth
        self._depth = max(0, before - 1) if tag.group(1) else before + 1
        self._kind = "thinking" if self._depth else "text"
        if before == 0 and self._depth:
            self._code = _CodeSpans()
        elif self._depth == 0:
            self._code = self._visible_code


class _CodeSpans:
    """Follows Markdown closely enough to say whether the next character stands in code.

    A run of backticks or tildes at the start of a line opens a fence once its line ends; the same run again
    on that line makes it inline code instead. Runs may be cut anywhere, so they count when they have ended.
    """

    def __init__(self) -> None:
        self._blank = True  # nothing but white space on this line so far
        self._run, self._run_starts_line = "", False
        self._open, self._fence, self._may_be_fence = "", False, False
        self._fresh = self._closing = False

    def inside(self) -> bool:
        self._end_run()
        return bool(self._open)

    def just_opened(self) -> bool:
        self._end_run()
        return self._fresh

    def skip(self, text: str) -> None:
        """As `feed`, for a text that is known to hold no backtick, tilde or line end."""
        if self._run:
            self._end_run()
        self._fresh = False
        if (self._blank or self._closing) and not text.isspace():
            self._blank = self._closing = False

    def feed(self, text: str) -> None:
        for part in _CODE_PARTS.findall(text):
            if part[0] in "`~":
                self._extend_run(part)
            elif part == "\n":
                self._end_line()
            else:
                self.skip(part)

    def _extend_run(self, part: str) -> None:
        if self._run and self._run[0] != part[0]:
            self._end_run()
        if not self._run:
            self._run_starts_line = self._blank
        self._run += part

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if not run:
            return
        may_fence = self._run_starts_line and len(run) >= 3
        self._blank = self._fresh = False
        if not self._open:
            self._fresh = run[0] == "`" or may_fence
            self._open, self._may_be_fence = (run if self._fresh else ""), may_fence
        elif self._fence:
            self._closing = may_fence and run.startswith(self._open)
        elif run == self._open:
            self._open = ""

    def _end_line(self) -> None:
        self._end_run()
        stays = bool(self._open) and not self._closing and (self._fence or self._may_be_fence)
        self._open, self._fence = (self._open if stays else ""), stays
        self._blank, self._fresh, self._closing = True, False, False


class _ReactFilter:
    """Splits visible text into ReAct sections by the markers at the start of its lines."""

    def __init__(self) -> None:
        self._pending = ""
        self._name = ""
        self._section: Kind = "text"
        self._line_start = True
        self._after_marker = False
        self._code = _CodeSpans()

    def feed(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        text, self._pending, at = self._pending + text, "", 0
        while at < len(text):
            if self._line_start and not self._in_code():
                marker = _MARKER.match(text, at)
                if marker:
                    self._enter(_SECTIONS[marker.group(1).lower()], out)
                    at = marker.end()
                    continue
                if _MARKER_BEGUN.fullmatch(text, at):
                    self._pending = text[at:]
                    break
            end = text.find("\n", at) + 1 or len(text)
            self._pass(text[at:end], out)
            at = end
        return out

    def finish(self) -> list[Piece]:
        out: list[Piece] = []
        pending, self._pending = self._pending, ""
        self._pass(pending, out)
        self._end_name(out)
        return out

    def _in_code(self) -> bool:
        return self._section == "text" and self._code.inside()

    def _enter(self, section: Kind, out: list[Piece]) -> None:
        self._end_name(out)
        self._section, self._line_start, self._after_marker = section, False, True

    def _pass(self, line: str, out: list[Piece]) -> None:
        """Emit a line or a part of one, without the blanks that follow a marker."""
        line = line.lstrip(" \t") if self._after_marker else line
        if not line:
            return
        self._after_marker, self._line_start = False, line.endswith("\n")
        if self._section == "action":
            self._add_name(line, out)
            return
        if self._section == "text":
            self._code.feed(line)
        out.append(Piece(self._section, line))

    def _add_name(self, line: str, out: list[Piece]) -> None:
        self._name += line
        rest = self._name[ACTION_LIMIT:]
        if rest or (self._line_start and self._name.strip()):
            self._name = self._name[:ACTION_LIMIT]
            self._end_name(out)
            self._section = "action_input"
        if rest:
            out.append(Piece("action_input", rest))

    def _end_name(self, out: list[Piece]) -> None:
        name, self._name = self._name.strip(), ""
        if name:
            out.append(Piece("action", name))
