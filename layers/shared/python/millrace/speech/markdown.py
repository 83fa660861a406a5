"""Markdown as it would be read aloud: the passages of a document in order, in plain words.

The document is parsed as CommonMark with tables and strikethrough (markdown-it-py). Code blocks are announced
but not read, addresses become their host, table rows name their columns, and items of ordered lists their
number.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_CODE = {
    "de": "Hier steht Code.",
    "en": "Code is shown here.",
    "es": "Aquí hay código.",
    "fr": "Ici se trouve du code.",
    "it": "Qui c'è del codice.",
    "ja": "ここにコードがあります。",
    "pt": "Aqui há código.",
    "zh": "此处有代码。",
}
"""Spoken instead of a code block. In other languages, nothing is spoken."""

# In this order: stray marks are removed after meaningful ones were processed.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    # An address: its host, without the punctuation of the sentence that it ends.
    (re.compile(r"https?://([^\s/?#\])>,;]*[^\s/?#\])>,;.:!])(?:[/?#][^\s)>\]]*[^\s)>\].,;:!?])?/?"), r"\1"),
    (re.compile(r"\[\^[^\]\s]+\]:?"), ""),  # the number of a footnote
    (re.compile(r"^\[[ xX]\]\s+"), ""),  # the box of a task
    (re.compile(r"(?<=[\w)]) \* (?=[\w(])"), " × "),
    (re.compile(r"\*+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|`+|~~"), ""),
    (re.compile(r"[^\S\n]+"), " "),
)
# CommonMark interprets the stars of 2*3*4 as emphasis, which nobody means.
_TIMES = re.compile(r"(?<=\d)\*(?=\d)")
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->|</?[A-Za-z][^>]*>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^>]*>", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")
# A mark that may open something which later text closes.
_OPENING = re.compile(r"(?:(?<=[\s(\"'])|^)(?:\*{1,3}|_{1,3}|~~)(?=\S)|[`\[<]")
# A line with only signs, which may still become anything.
_MARKS_AT_END = re.compile(r"(?:^|(?<=\n))[ \-=#>*+`~_|:0-9.)\[!<&]+$")
# A word that is still being written: an address, an entity, an escape.
_LAST_WORD = re.compile(r"[!-~]+$")


class Passage(Struct, frozen=True):
    """A part of a document that is heard without a break: a paragraph, an item, a row.

    `safe` is the length of `text` that cannot change any more, whatever follows in the document.
    """

    text: str
    safe: int


class Document(Struct, frozen=True):
    """The passages of a text so far.

    `settled` is the number of characters in complete blocks, and `settled_passages` the number of passages in
    them. `in_code` means that the text ends within a code block.
    """

    passages: list[Passage]
    settled: int
    settled_passages: int
    in_code: bool


def read(text: str, language: str, *, complete: bool) -> Document:
    """Convert a Markdown text to passages. Unless it is `complete`, it may be cut anywhere."""
    if not complete:
        text = _MARKS_AT_END.sub("", text)
    return _Reader(_TIMES.sub("×", text), language, complete).document()


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


class _Reader:
    """Walks the tokens of a document. Never raises, because every text is Markdown."""

    def __init__(self, text: str, language: str, complete: bool) -> None:
        self._text = text
        self._lines = text.splitlines(keepends=True)
        self._language = language
        self._complete = complete
        self._numbers: list[int | None] = []
        self._prefix = ""

    def document(self) -> Document:
        tokens = _parser().parse(self._text)
        blocks = list(_top_level(tokens))
        passages: list[Passage] = []
        settled_passages = 0
        for position, block in enumerate(blocks):
            is_last = position == len(blocks) - 1
            if is_last:
                settled_passages = len(passages)
            passages += self._block(block, open_=is_last and not self._complete)
        return Document(passages, self._settled(blocks), settled_passages, self._ends_in_code(tokens))

    def _ends_in_code(self, tokens: "list[Token]") -> bool:
        fence = next((token for token in reversed(tokens) if token.type == "fence"), None)
        return fence is not None and (fence.map or [0, 0])[1] >= len(self._lines) and self._is_open(fence)

    def _settled(self, blocks: "list[list[Token]]") -> int:
        """Return the position of the last block, which may still grow."""
        start = blocks[-1][0].map if blocks else None
        return sum(map(len, self._lines[: start[0]])) if start else 0

    def _block(self, tokens: "list[Token]", open_: bool) -> Iterator[Passage]:
        """Yield the passages of a top-level block. If it is still open, the last one is not finished."""
        if tokens[0].type == "table_open":
            found = list(self._rows(tokens, open_))
        else:
            found = [passage for token in tokens for passage in self._token(token, open_)]
        for passage in found[:-1]:
            yield Passage(passage.text, len(passage.text))
        if found:
            yield found[-1] if open_ else Passage(found[-1].text, len(found[-1].text))

    def _token(self, token: "Token", open_: bool) -> Iterator[Passage]:
        match token.type:
            case "ordered_list_open":
                self._numbers.append(int(token.attrs.get("start", 1)))
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_close" | "bullet_list_close":
                self._numbers.pop()
            case "list_item_open":
                self._prefix = self._item()
            case "inline":
                yield self._inline(token, open_)
            case "fence" | "code_block":
                yield from self._code(token, open_)
            case "html_block":
                yield _whole(_plain(_TAG.sub("", _BREAK.sub("\n", token.content))))

    def _item(self) -> str:
        number = self._numbers[-1]
        if number is None:
            return ""
        self._numbers[-1] = number + 1
        return f"{number}: "

    def _inline(self, token: "Token", open_: bool) -> Passage:
        prefix, self._prefix = self._prefix, ""
        text = prefix + _plain(_spoken(token.children or []))
        if not open_:
            return _whole(text)
        # A line with a bar may become the head of a table.
        if "|" in token.content:
            return Passage(text, 0)
        return Passage(text, len(prefix) + _safe(token.content, text[len(prefix) :]))

    def _code(self, token: "Token", open_: bool) -> Iterator[Passage]:
        if token.type == "fence" and not token.info.strip() and self._is_open(token):
            # A fence without a language that never closes is a mistake: the rest is meant to be read.
            if not open_:
                yield from read(token.content, self._language, complete=True).passages
            return
        yield _whole(_CODE.get(self._language.partition("-")[0], ""))

    def _is_open(self, token: "Token") -> bool:
        start, end = token.map or (0, 0)
        closing = _FENCE.fullmatch(self._lines[end - 1].rstrip("\n")) if end - start > 1 else None
        return not (closing and closing[1].startswith(token.markup))

    def _rows(self, tokens: "list[Token]", open_: bool) -> Iterator[Passage]:
        """Yield rows with the names of their columns, as a listener does not see the head.

        A head alone is read as it is.
        """
        rows: list[list[str]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(_plain(_spoken(token.children or [])))
        head, *body = rows
        if not body and not open_:
            yield _whole(", ".join(filter(None, head)))
        for row in body:
            yield Passage(", ".join(_cell(*pair) for pair in zip(head, row, strict=False) if pair[1]), 0)


def _cell(column: str, value: str) -> str:
    return f"{column}: {value}" if column else value


def _whole(text: str) -> Passage:
    return Passage(text, len(text))


def _top_level(tokens: "Sequence[Token]") -> "Iterator[list[Token]]":
    block: list[Token] = []
    for token in tokens:
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield block
            block = []


def _spoken(children: "Sequence[Token]") -> str:
    return "".join(_word(child) for child in children)


def _word(child: "Token") -> str:
    match child.type:
        case "text" | "code_inline":
            return child.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "image":
            return _spoken(child.children or [])
        case "html_inline":
            return "\n" if _BREAK.fullmatch(child.content) else ""
    return ""


def _plain(text: str) -> str:
    for pattern, instead in _WORDS:
        text = pattern.sub(instead, text)
    return text.strip()


def _safe(source: str, text: str) -> int:
    """Return the length of a passage's part that is certain while the passage is still being written.

    It ends before the first open mark, because with the marks that may follow, `**so` is a different text
    than `**so**`.
    """
    certain = _LAST_WORD.sub("", source)
    opened = _first_open(certain)
    before = _plain(_inline_text(certain[:opened]))
    return len(before) if text.startswith(before) else 0


def _first_open(source: str) -> int:
    """Return the position of the first unclosed mark."""
    position = 0
    for child in _parser().parseInline(source)[0].children or []:
        if child.type == "text" and (found := _OPENING.search(child.content)):
            return source.find(child.content[found.start() :], position)
        position = max(position, source.find(child.content, position)) if child.content else position
    return len(source)


def _inline_text(source: str) -> str:
    return _spoken(_parser().parseInline(source)[0].children or [])
