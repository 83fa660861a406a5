"""The readable text of an HTML page: without scripts, styles and markup, one line per block, links kept.

We parse it ourselves, since `html.parser` takes minutes for 128 KB of hostile markup on Python versions
before the end of 2025, and holds the interpreter's lock meanwhile. Every search here continues where the last
one ended, or is the last one, so the time is linear in the page. A `>` in an attribute ends the tag, and the
rest of it is shown.
"""

import re
from collections.abc import Iterator
from html import unescape

_HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "select", "title"})
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 "
    "h6 header hr li main nav ol p pre section table tbody thead tr ul".split()
)
_OPENINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)} | {"li": "- ", "td": "| ", "th": "| "}
_ENDS = {tag: re.compile(f"</{tag}", re.IGNORECASE | re.ASCII) for tag in _HIDDEN}
_TAG_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]{0,40}")
_HREF = re.compile(r"\shref\s{0,8}=\s{0,8}[\"']?([^\"'\s>]{1,2048})", re.IGNORECASE)


def html_text(html: str) -> str:
    """Return the page's title and text."""
    reader = _Reader()
    for name, content in _tokens(html):
        if name:
            reader.tag(name, content)
        else:
            reader.text(unescape(content))
    return reader.written()


def _tokens(html: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of a tag's name ("/p" for its end) and its attributes, or of "" and text. A hidden element
    is one tag, with its content in place of attributes."""
    at = 0
    while at < len(html):
        begin = html.find("<", at)
        if begin < 0:
            break
        yield "", html[at:begin]
        name = _TAG_NAME.match(html, begin + 1)
        if name is None and html[begin + 1 : begin + 2] not in ("!", "?"):
            yield "", "<"
            at = begin + 1
            continue
        terminator = "-->" if html.startswith("<!--", begin) else ">"
        end = html.find(terminator, begin)
        if end < 0:
            return  # as in a browser, an unfinished tag or comment shows nothing
        at = end + len(terminator)
        if name:
            tag = name[0].lower()
            start = at
            if tag in _HIDDEN:
                closing = _ENDS[tag].search(html, at)
                at = closing.start() if closing else len(html)
            yield tag, html[start:at] if tag in _HIDDEN else html[name.end() : end]
    yield "", html[at:]


class _Reader:
    """Assembles the text of a page from its tags and texts."""

    def __init__(self) -> None:
        self._parts: list[str] = ["\n"]
        self._title = ""
        self._in_pre = False
        self._link = ""

    def tag(self, name: str, content: str) -> None:
        if name.lstrip("/") in _BLOCKS:
            self._parts.append("\n")
            self._in_pre = name == "pre" or (self._in_pre and name != "/pre")
        if name in _OPENINGS:
            self._parts.append(_OPENINGS[name])
        elif name == "title":
            self._title = self._title or " ".join(unescape(content).split())
        elif name == "a":
            found = _HREF.search(content)
            self._link = unescape(found[1]) if found else ""
        elif name == "/a":
            self._end_link()

    def text(self, text: str) -> None:
        """Add text with white space collapsed to single blanks, and none at the beginning of a line; except
        in `pre`."""
        if not self._in_pre:
            text = re.sub(r"\s+", " ", text)
            text = text.lstrip() if self._parts[-1][-1].isspace() else text
        if text:
            self._parts.append(text)

    def written(self) -> str:
        lines = "\n".join(line.rstrip() for line in "".join(self._parts).split("\n"))
        body = re.sub(r"\n{3,}", "\n\n", lines).strip()
        return f"{self._title}\n\n{body}" if self._title else body

    def _end_link(self) -> None:
        if self._link.startswith(("http://", "https://", "/")):
            self._parts.append(f" ({self._link})")
        self._link = ""
