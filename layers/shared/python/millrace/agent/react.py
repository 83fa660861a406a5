"""Splits off ReAct lines (`Thought:`, `Action:`, ...) from a model's visible text as it arrives.

A section continues to the next such line. What follows the line of an `Action:` is its input. The name of an
action is held back until its line ends, so that it arrives complete.
"""

import re

from millrace.agent.code_spans import CodeSpans
from millrace.agent.pieces import Kind, Piece, prefixes

ACTION_LIMIT = 200
_SECTIONS: dict[str, Kind] = {
    "thought": "thinking",
    "action input": "action_input",
    "action": "action",
    "observation": "observation",
    "final answer": "text",
}
_MARKER = re.compile(
    rf"[ \t]{{0,16}}({'|'.join(_SECTIONS)})(?: \d{{1,4}})?[ \t]{{0,4}}:", re.IGNORECASE | re.ASCII
)
_MARKER_BEGUN = re.compile(
    rf"[ \t]{{0,16}}(?:(?:{prefixes(_SECTIONS)})|(?:{'|'.join(_SECTIONS)})(?: \d{{0,4}})?[ \t]{{0,4}})",
    re.IGNORECASE | re.ASCII,
)


class ReactFilter:
    """Splits visible text into ReAct sections by the markers at the start of its lines."""

    def __init__(self) -> None:
        self._pending = ""
        self._name = ""
        self._section: Kind = "text"
        self._line_start = True
        self._after_marker = False
        self._code = CodeSpans()

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
        """Emit a line or a part of one, without the blanks after a marker."""
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
