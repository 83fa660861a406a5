"""Harmony, the channel format of gpt-oss, for servers that pass it on instead of parsing it.

Format: https://cookbook.openai.com/articles/openai-harmony. A message is a header, `<|message|>` and a body;
the header names the channel (`analysis`, `commentary`, `final`) and the tool that the body is for. Some
servers drop the control tokens and keep the words: `analysisThe user asks...assistantfinalHello`.
"""

import re

from millrace.agent.pieces import Kind, Piece, prefixes

_TOKEN = re.compile(r"<\|(start|channel|message|end|return|call|constrain)\|>")
_LONGEST = len("<|constrain|>")
_BARE = "analysis"
# An answer that really begins with this word continues with a space or in lower case.
_BARE_START = re.compile(r"analysis(?=[A-Z0-9\"'(])")
_BARE_TURN = re.compile(r"assistant(final|analysis|commentary to=[^\s<]+ )")
_BARE_BEGUN = re.compile(
    rf"(?:assistant(?:{prefixes(('final', 'analysis', 'commentary to='))}|commentary to=[^\s<]+(?: [a-z]*)?)"
    rf"|{prefixes(('assistant',))})\Z"
)


class HarmonyFilter:
    """Splits a model's raw text into its answer, its thinking and its calls."""

    def __init__(self) -> None:
        self._held = ""
        self._fresh = True
        self._bare = False
        self._header: list[str] | None = None
        self._recipient = ""
        self._call: list[str] = []
        self._kind: Kind = "text"
        self._hidden: list[str] = []

    def feed(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        text, self._held = self._held + text, ""
        if self._fresh and not self._begin(text):
            return out
        return self._split_bare(text, out) if self._bare else self._split(text, out)

    def finish(self, *, whole: bool = True) -> list[Piece]:
        """Return the text that is held back. Text after a bare channel word that never reached an answer is
        the answer itself, if the message is `whole`."""
        out: list[Piece] = []
        held, self._held = self._held, ""
        if self._bare and whole and self._hidden and not self._recipient:
            return [Piece("text", _BARE + "".join(self._hidden) + held)]
        self._pass(held, out)
        self._end_call(out)
        return out

    def _begin(self, text: str) -> bool:
        """Return whether the beginning of the text has been recognized; until then it is held back."""
        if len(text) <= len(_BARE) and _BARE.startswith(text):
            self._held = text
            return False
        self._fresh = False
        if _BARE_START.match(text):
            self._bare, self._kind = True, "thinking"
        return True

    def _split(self, text: str, out: list[Piece]) -> list[Piece]:
        at = 0
        for token in _TOKEN.finditer(text):
            self._pass(text[at : token.start()], out)
            self._turn(token[1], out)
            at = token.end()
        rest = text[at:]
        begun = rest.rfind("<", max(0, len(rest) - _LONGEST))
        if begun >= 0 and re.fullmatch(r"<(\|[a-z]*\|?)?", rest[begun:]):
            rest, self._held = rest[:begun], rest[begun:]
        self._pass(rest, out)
        return out

    def _turn(self, token: str, out: list[Piece]) -> None:
        if token == "message":
            self._open("".join(self._header or []))
            self._header = None
        elif token in ("start", "channel"):
            self._end_call(out)
            self._header = [*(self._header or []), " "]
        elif token in ("end", "return", "call"):
            self._end_call(out)
            self._header, self._kind = None, "text"

    def _open(self, header: str) -> None:
        recipient = re.search(r"to=([^\s<]+)", header)
        self._recipient = recipient[1] if recipient else ""
        self._kind = "text" if "final" in header.split() else "thinking"

    def _pass(self, text: str, out: list[Piece]) -> None:
        if not text:
            return
        if self._header is not None:
            self._header.append(text)
        elif self._recipient:
            self._call.append(text)
        else:
            out.append(Piece(self._kind, text))

    def _end_call(self, out: list[Piece]) -> None:
        if self._recipient:
            out.append(Piece("call", f"to={self._recipient} <|message|>{''.join(self._call)}"))
        self._recipient, self._call = "", []

    def _split_bare(self, text: str, out: list[Piece]) -> list[Piece]:
        if not self._hidden and text.startswith(_BARE):
            text = text[len(_BARE) :]
        at = 0
        for turn in _BARE_TURN.finditer(text):
            self._say_bare(text[at : turn.start()], out)
            self._end_call(out)
            self._bare_turn(turn[1])
            at = turn.end()
        rest = text[at:]
        if begun := _BARE_BEGUN.search(rest):
            rest, self._held = rest[: begun.start()], rest[begun.start() :]
        self._say_bare(rest, out)
        return out

    def _bare_turn(self, word: str) -> None:
        self._kind = "text" if word == "final" else "thinking"
        self._recipient = word.partition("to=")[2].split(" ")[0]
        self._bare = self._kind != "text"

    def _say_bare(self, text: str, out: list[Piece]) -> None:
        if text and self._kind == "thinking":
            self._hidden.append(text)
        self._pass(text, out)
