"""An expression's text as tokens."""

import re
from typing import Any, Literal

from msgspec import Struct

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.limits import SOURCE_CHARACTERS

Kind = Literal["number", "string", "name", "operator", "end"]

# A pattern without nested repetition, so its time is linear in the source.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<name>\$?[^\W\d]\w*)
      | (?P<operator>\?\?|\|\||&&|==|!=|<=|>=|[-+*/%!<>?:.,()\[\]])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_HINTS = {
    "=": "`=` is not an operator: compare with `==`.",
    "&": "Write `&&` for and.",
    "|": "Write `||` for or.",
    '"': "This text has no closing quote.",
    "'": "This text has no closing quote.",
    "$": "Only `$event` and `$meta` begin with `$`.",
}


class Token(Struct, frozen=True):
    """A piece of source: its `text`, the `value` of a literal, and its `offset` in characters from 0."""

    kind: Kind
    text: str
    offset: int
    value: Any = None


def tokens(source: str) -> list[Token]:
    """Return all tokens and an "end". Raises `InvalidExpression` with line and column."""
    if len(source) > SOURCE_CHARACTERS:
        raise InvalidExpression(
            f"The expression has {len(source):,} characters; at most {SOURCE_CHARACTERS:,} are allowed."
        )
    found, offset = [], 0
    while offset < len(source):
        match = _TOKEN.match(source, offset)
        if match is None:
            raise _unexpected(source, offset)
        if match.lastgroup != "space":
            found.append(_token(match, source))
        offset = match.end()
    return [*found, Token("end", "the end", offset)]


def _unexpected(source: str, offset: int) -> InvalidExpression:
    character = source[offset]
    hint = _HINTS.get(character, f"{character!r} means nothing here.")
    return InvalidExpression(hint, source=source, offset=offset)


def _token(match: re.Match[str], source: str) -> Token:
    text, offset = match.group(), match.start()
    if match.lastgroup == "number":
        return Token("number", text, offset, _number(text, source, offset))
    if match.lastgroup == "string":
        return Token("string", text, offset, _unescape(text[1:-1], source, offset + 1))
    return Token("name" if match.lastgroup == "name" else "operator", text, offset)


def _number(text: str, source: str, offset: int) -> int | float:
    value = float(text)
    if value == float("inf"):
        raise InvalidExpression("This number is too large.", source=source, offset=offset)
    return int(text) if text.isdigit() and value < 2**63 else value


def _unescape(body: str, source: str, offset: int) -> str:
    def replaced(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            known = " ".join(f"\\{character}" for character in _ESCAPES)
            message = f"`\\{code}` is not an escape; allowed are {known} \\uXXXX."
            raise InvalidExpression(message, source=source, offset=offset + match.start())
        return _ESCAPES[code]

    text = _ESCAPE.sub(replaced, body)
    # Two escapes may form one character outside the basic plane. An unpaired surrogate cannot be encoded as
    # UTF-8.
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise InvalidExpression(
            "`\\u` gives half of a surrogate pair.", source=source, offset=offset
        ) from None
